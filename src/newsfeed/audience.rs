//! Who listens, and whom each listener cares about: decides for a line of the log who is told of it. Pure.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::model::View;
use super::store::Line;
use crate::activity::ActivityKind;
use crate::kernel::ids::UserId;

/// What a listener is told by.
#[derive(Debug, Default)]
struct Circle {
    following: HashSet<UserId>,
    followers: HashSet<UserId>,
}

/// The listeners and their circles, kept up to date from the log itself.
#[derive(Debug, Default)]
pub(super) struct Audience {
    circles: HashMap<UserId, Circle>,
    /// For each person, the listeners in whose circle they are.
    near: HashMap<UserId, HashSet<UserId>>,
}

impl Audience {
    pub(super) fn is_empty(&self) -> bool {
        self.circles.is_empty()
    }

    /// Adds a listener with everybody whom they follow and who follows them.
    pub(super) fn add(&mut self, listener: UserId, (following, followers): (Vec<UserId>, Vec<UserId>)) {
        for person in following.iter().chain(&followers) {
            self.near.entry(*person).or_default().insert(listener);
        }
        let circle = Circle { following: following.into_iter().collect(), followers: followers.into_iter().collect() };
        self.circles.insert(listener, circle);
    }

    /// Forgets a listener.
    pub(super) fn remove(&mut self, listener: UserId) {
        let Some(circle) = self.circles.remove(&listener) else { return };
        for person in circle.following.union(&circle.followers) {
            self.part(*person, listener);
        }
    }

    fn part(&mut self, person: UserId, listener: UserId) {
        if let Some(listeners) = self.near.get_mut(&person) {
            listeners.remove(&listener);
            if listeners.is_empty() {
                self.near.remove(&person);
            }
        }
    }

    /// Takes note of a line, and gives who is told of it, and in which of their views it stands.
    pub(super) fn told(&mut self, line: &Line) -> Vec<(UserId, Vec<View>)> {
        self.note(line);
        let near = self.near.get(&line.actor).into_iter().flatten().copied();
        let listeners: BTreeSet<_> = near.chain(line.post_author).collect();
        let views = |listener| (listener, self.views(listener, line));
        listeners.into_iter().map(views).filter(|(_, views)| !views.is_empty()).collect()
    }

    fn views(&self, listener: UserId, line: &Line) -> Vec<View> {
        let Some(circle) = self.circles.get(&listener) else { return Vec::new() };
        let mut views = Vec::new();
        if circle.following.contains(&line.actor) {
            views.push(View::MyFollowing);
        }
        if circle.followers.contains(&line.actor) {
            views.push(View::MyFollower);
        }
        if line.post_author == Some(listener) {
            views.push(View::MyPostAlarm);
        }
        views
    }

    /// A follow or its end changes the circles on both sides.
    fn note(&mut self, line: &Line) {
        let begins = match line.kind {
            ActivityKind::Follow => true,
            ActivityKind::CancelFollow => false,
            _ => return,
        };
        let (follower, followee) = (line.actor, line.recipient);
        self.change(follower, followee, |circle| set(&mut circle.following, followee, begins));
        self.change(followee, follower, |circle| set(&mut circle.followers, follower, begins));
    }

    /// Changes what `person` is to a listener.
    fn change(&mut self, listener: UserId, person: UserId, change: impl FnOnce(&mut Circle)) {
        let Some(circle) = self.circles.get_mut(&listener) else { return };
        change(circle);
        if circle.following.contains(&person) || circle.followers.contains(&person) {
            self.near.entry(person).or_default().insert(listener);
        } else {
            self.part(person, listener);
        }
    }
}

fn set(people: &mut HashSet<UserId>, person: UserId, present: bool) {
    if present {
        people.insert(person);
    } else {
        people.remove(&person);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::ids::ActivityId;

    const ANN: UserId = UserId(1);
    const BOB: UserId = UserId(2);
    const EVE: UserId = UserId(3);

    fn line(kind: ActivityKind, actor: UserId, recipient: UserId, post_author: Option<UserId>) -> Line {
        Line { id: ActivityId(1), actor, recipient, post_author, kind }
    }

    #[test]
    fn listeners_hear_of_their_circle_and_their_posts() {
        let mut audience = Audience::default();
        audience.add(ANN, (vec![BOB], vec![EVE]));
        let write = |actor| line(ActivityKind::WritePost, actor, actor, None);
        assert_eq!(audience.told(&write(BOB)), [(ANN, vec![View::MyFollowing])]);
        assert_eq!(audience.told(&write(EVE)), [(ANN, vec![View::MyFollower])]);
        assert!(audience.told(&write(ANN)).is_empty());
        let like = line(ActivityKind::LikePost, EVE, ANN, Some(ANN));
        assert_eq!(audience.told(&like), [(ANN, vec![View::MyFollower, View::MyPostAlarm])]);
    }

    #[test]
    fn a_follow_counts_from_itself_on_and_its_end_too() {
        let mut audience = Audience::default();
        audience.add(ANN, (vec![], vec![]));
        let follow = line(ActivityKind::Follow, BOB, ANN, None);
        assert_eq!(audience.told(&follow), [(ANN, vec![View::MyFollower])]);
        let end = line(ActivityKind::CancelFollow, BOB, ANN, None);
        assert!(audience.told(&end).is_empty());
        assert!(audience.told(&line(ActivityKind::WritePost, BOB, BOB, None)).is_empty());
        audience.told(&line(ActivityKind::Follow, ANN, EVE, None));
        let wrote = audience.told(&line(ActivityKind::WritePost, EVE, EVE, None));
        assert_eq!(wrote, [(ANN, vec![View::MyFollowing])]);
    }

    #[test]
    fn who_has_left_is_forgotten() {
        let mut audience = Audience::default();
        audience.add(ANN, (vec![BOB], vec![]));
        audience.remove(ANN);
        assert!(audience.told(&line(ActivityKind::WritePost, BOB, BOB, None)).is_empty());
        assert!(audience.is_empty() && audience.near.is_empty());
    }
}
