//! A community made from a seed: who follows whom, who writes what, who likes it. The same seed and the same members give
//! the same deeds, for ever and on every machine.
//!
//! A few members do most of it, and a few posts get most of the likes: members are put in an order by lot, and the one at
//! place `n` is chosen `1/n` as often as the first (Zipf's law).

use std::collections::HashSet;
use std::ops::Range;

use super::draw::Draw;
use super::texts::{Texts, Words};
use crate::kernel::clock::Timestamp;
use crate::kernel::ids::UserId;

/// The weight of the most active member; that of the last of a million is still in the thousands.
const WEIGHT: u64 = 1 << 32;
/// Of so many members ...
const LANGUAGE_LOTS: u64 = 10;
/// ... so many write Korean.
const KOREAN_LOTS: u64 = 6;
/// The most sentences of a post.
const SENTENCES_MAX: u64 = 5;
/// What a member follows is twice a skewed lot up to this: about ten others in the middle.
const FOLLOWS_LOT_MAX: u64 = 100;
/// A post's likes are half of a skewed lot up to this: three or four in the middle, and none for every second post.
const LIKES_LOT_MAX: u64 = 1_000;
/// A post's comments are half of a skewed lot up to this: one or two in the middle.
const COMMENTS_LOT_MAX: u64 = 40;
/// A comment's likes are a sixth of a skewed lot up to this: one for every second comment.
const COMMENT_LIKES_LOT_MAX: u64 = 60;
/// Time is counted in parts of the time between two posts.
const TICKS_A_POST: u64 = 1_000;
/// Every second reaction comes within twice as many ticks.
const REACTION_TICKS: u64 = 5_000;

/// One thing that somebody does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deed {
    /// Who does it.
    pub actor: UserId,
    /// When.
    pub at: Timestamp,
    /// What it is.
    pub what: What,
}

/// What somebody does. A post is named by its place among those of the same wave, from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Follows a member.
    Follow(UserId),
    /// Writes a post.
    Post {
        /// Its title.
        title: String,
        /// Its text.
        content: String,
    },
    /// Writes a comment on a post.
    Comment {
        /// What it is named by in this wave: from 0, without gaps, in any order.
        number: usize,
        /// The post.
        post: usize,
        /// Its text.
        content: String,
    },
    /// Likes a post of this wave.
    LikePost(usize),
    /// Likes a comment of this wave.
    LikeComment(usize),
}

/// The time that some deeds are spread over.
#[derive(Debug, Clone, Copy)]
pub struct Period {
    /// The first moment.
    pub from: Timestamp,
    /// The moment after the last.
    pub to: Timestamp,
}

impl Period {
    /// The part of it from `part.start` to `part.end`, out of `whole` equal ones.
    ///
    /// # Panics
    /// When `whole` is 0.
    #[must_use]
    pub fn part(self, part: Range<u64>, whole: u64) -> Self {
        Self { from: self.at(part.start, whole), to: self.at(part.end, whole) }
    }

    fn at(self, tick: u64, ticks: u64) -> Timestamp {
        let length = i128::from(self.to.0) - i128::from(self.from.0);
        let passed = length * i128::from(tick) / i128::from(ticks);
        Timestamp(self.from.0 + i64::try_from(passed).expect("a part of the period is not longer than the period"))
    }
}

/// The members of a community, and what they write.
pub struct Community {
    seed: u64,
    texts: Texts,
    /// By how much they do.
    members: Vec<Member>,
    /// At each place the weights up to there, added up.
    weights: Vec<u64>,
}

struct Member {
    id: UserId,
    korean: bool,
}

impl Community {
    /// The community of these users.
    #[must_use]
    pub fn new(seed: u64, texts: Texts, users: &[UserId]) -> Self {
        let mut ids = users.to_vec();
        ids.sort_by_cached_key(|id| (Draw::new(seed, "place", number(*id)).below(u64::MAX), *id));
        let korean = |id| Draw::new(seed, "language", number(id)).below(LANGUAGE_LOTS) < KOREAN_LOTS;
        let members: Vec<_> = ids.into_iter().map(|id| Member { id, korean: korean(id) }).collect();
        let weights = (1..).take(members.len()).scan(0, |sum, place| {
            *sum += WEIGHT / place;
            Some(*sum)
        });
        Self { seed, texts, weights: weights.collect(), members }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is nobody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Whom each of `some` members follows, in the order of their deeds.
    #[must_use]
    pub fn follows(&self, some: &[UserId], period: Period) -> Vec<Deed> {
        let mut pairs = Vec::new();
        for &follower in some {
            let mut draw = Draw::new(self.seed, "follow", number(follower));
            let wanted = 2 * draw.skewed(FOLLOWS_LOT_MAX);
            pairs.extend(self.others(&mut draw, wanted, follower).into_iter().map(|other| (follower, other)));
        }
        let ticks = pairs.len() as u64;
        let deed = |(tick, (actor, other))| Deed { actor, at: period.at(tick, ticks), what: What::Follow(other) };
        (0..).zip(pairs).map(deed).collect()
    }

    /// Posts by their number, and what comes of them, in the order of their deeds. A post does not depend on how many
    /// come after it; what others do about it happens before the wave is over.
    ///
    /// # Panics
    /// When the community is empty.
    #[must_use]
    pub fn wave(&self, posts: Range<u32>, period: Period) -> Vec<Deed> {
        let mut wave = Wave { ticks: TICKS_A_POST * posts.len() as u64, deeds: Vec::new(), comments: 0 };
        for (index, number) in posts.enumerate() {
            self.post(&mut wave, index, Draw::new(self.seed, "post", number.into()));
        }
        wave.in_order(period)
    }

    fn post(&self, wave: &mut Wave, index: usize, mut draw: Draw) {
        let author = &self.members[self.somebody(&mut draw)];
        let tick = TICKS_A_POST * index as u64 + draw.below(TICKS_A_POST);
        let (title, content) = post_of(self.words_of(author), &mut draw);
        wave.add(tick, author.id, What::Post { title, content });
        for _ in 0..draw.skewed(COMMENTS_LOT_MAX) / 2 {
            let author = &self.members[self.somebody(&mut draw)];
            let written = wave.after(tick, &mut draw);
            let content = draw.pick(&self.words_of(author).comments).clone();
            let number = wave.comments;
            wave.comments += 1;
            wave.add(written, author.id, What::Comment { number, post: index, content });
            let wanted = draw.skewed(COMMENT_LIKES_LOT_MAX) / 6;
            for member in self.others(&mut draw, wanted, author.id) {
                let liked = wave.after(written, &mut draw);
                wave.add(liked, member, What::LikeComment(number));
            }
        }
        let wanted = draw.skewed(LIKES_LOT_MAX) / 2;
        for member in self.others(&mut draw, wanted, author.id) {
            let liked = wave.after(tick, &mut draw);
            wave.add(liked, member, What::LikePost(index));
        }
    }

    fn words_of(&self, member: &Member) -> &Words {
        if member.korean { &self.texts.korean } else { &self.texts.english }
    }

    /// The place of a member, the first ones more often.
    fn somebody(&self, draw: &mut Draw) -> usize {
        let lot = draw.below(*self.weights.last().expect("a community has members"));
        self.weights.partition_point(|sum| *sum <= lot)
    }

    /// Up to `wanted` different members, none of them `not`. In a small community the same few are drawn again and again,
    /// so it may be fewer.
    fn others(&self, draw: &mut Draw, wanted: u64, not: UserId) -> Vec<UserId> {
        let mut chosen = HashSet::new();
        let drawn = (0..2 * wanted).map(|_| self.members[self.somebody(draw)].id);
        let most = usize::try_from(wanted).unwrap_or(usize::MAX);
        drawn.filter(|id| *id != not && chosen.insert(*id)).take(most).collect()
    }
}

/// Deeds that are not in order yet.
struct Wave {
    ticks: u64,
    deeds: Vec<(u64, UserId, What)>,
    comments: usize,
}

impl Wave {
    fn add(&mut self, tick: u64, actor: UserId, what: What) {
        self.deeds.push((tick, actor, what));
    }

    /// When somebody reacts to what happened at `tick`: soon as a rule, and before the wave is over.
    fn after(&self, tick: u64, draw: &mut Draw) -> u64 {
        let delay = REACTION_TICKS * draw.skewed(self.ticks) + draw.below(REACTION_TICKS);
        tick + delay % (self.ticks - tick)
    }

    fn in_order(mut self, period: Period) -> Vec<Deed> {
        // Stable: what was added later, such as a like of a comment, stays behind it in the same moment.
        self.deeds.sort_by_key(|(tick, ..)| *tick);
        let at = |tick| period.at(tick, self.ticks);
        self.deeds.into_iter().map(|(tick, actor, what)| Deed { actor, at: at(tick), what }).collect()
    }
}

/// A title and a text about one thing.
fn post_of(words: &Words, draw: &mut Draw) -> (String, String) {
    let thing = draw.pick(&words.things);
    let title = draw.pick(&words.titles).replace("{thing}", thing);
    let mut sentences: Vec<&str> = Vec::new();
    for _ in 0..=draw.below(SENTENCES_MAX) {
        let sentence = draw.pick(&words.sentences);
        if !sentences.contains(&sentence.as_str()) {
            sentences.push(sentence);
        }
    }
    (title, sentences.join(" ").replace("{thing}", thing))
}

/// A user's number as a generator takes it.
fn number(id: UserId) -> u64 {
    id.0.cast_unsigned()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};

    use super::*;

    const PERIOD: Period = Period { from: Timestamp(0), to: Timestamp(1_000_000_000) };

    fn community(seed: u64, members: i64) -> Community {
        let ids: Vec<_> = (1..=members).map(UserId).collect();
        Community::new(seed, Texts::embedded().unwrap(), &ids)
    }

    /// How often each value comes, the largest first.
    fn ranked<T: Ord>(values: impl Iterator<Item = T>) -> Vec<usize> {
        let mut counts = BTreeMap::new();
        values.for_each(|value| *counts.entry(value).or_insert(0) += 1);
        let mut counts: Vec<_> = counts.into_values().collect();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        counts
    }

    #[test]
    fn the_same_seed_gives_the_same_deeds_and_a_longer_wave_the_same_posts() {
        let deeds = community(7, 100).wave(0..50, PERIOD);
        assert_eq!(deeds, community(7, 100).wave(0..50, PERIOD));
        assert_ne!(deeds, community(8, 100).wave(0..50, PERIOD));
        let posts = |deeds: Vec<Deed>| {
            let posts = deeds.into_iter().filter(|deed| matches!(deed.what, What::Post { .. }));
            posts.map(|deed| (deed.actor, deed.what)).take(50).collect::<Vec<_>>()
        };
        assert_eq!(posts(deeds), posts(community(7, 100).wave(0..80, PERIOD)));
    }

    #[test]
    fn deeds_come_in_an_order_in_which_they_can_be_done() {
        let (mut posts, mut comments) = (Vec::new(), HashMap::new());
        let mut likes = HashSet::new();
        let deeds = community(1, 300).wave(100..300, PERIOD);
        assert!(deeds.is_sorted_by_key(|deed| deed.at));
        assert!(deeds.iter().all(|deed| (PERIOD.from..PERIOD.to).contains(&deed.at)));
        for Deed { actor, what, .. } in deeds {
            match what {
                What::Post { .. } => posts.push(actor),
                What::Comment { number, post, .. } => {
                    assert!(post < posts.len());
                    assert!(comments.insert(number, actor).is_none());
                }
                What::LikePost(post) => {
                    assert_ne!(posts[post], actor);
                    assert!(likes.insert((actor, "post", post)));
                }
                What::LikeComment(comment) => {
                    assert_ne!(comments[&comment], actor);
                    assert!(likes.insert((actor, "comment", comment)));
                }
                What::Follow(_) => panic!("nobody follows in a wave"),
            }
        }
        assert_eq!(posts.len(), 200);
        assert!((0..comments.len()).all(|number| comments.contains_key(&number)));
    }

    #[test]
    fn a_few_do_most_of_it_and_few_posts_are_liked_by_many() {
        let deeds = community(1, 1_000).wave(0..2_000, PERIOD);
        let of = |kind: fn(&What) -> bool| deeds.iter().filter(move |deed| kind(&deed.what));
        let authors = ranked(of(|what| matches!(what, What::Post { .. })).map(|deed| deed.actor.0));
        assert!(authors[..100].iter().sum::<usize>() > 1_000, "a tenth writes more than half: {authors:?}");
        let likes = ranked(of(|what| matches!(what, What::LikePost(_))).map(|deed| match deed.what {
            What::LikePost(post) => post,
            _ => unreachable!("only likes are left"),
        }));
        let comments = of(|what| matches!(what, What::Comment { .. })).count();
        assert!((500..1_500).contains(&likes.len()), "{} posts are liked", likes.len());
        assert!(likes[0] > 100 && likes[likes.len() / 2] < 10, "{likes:?}");
        assert!((4_000..12_000).contains(&likes.iter().sum::<usize>()), "{}", likes.iter().sum::<usize>());
        assert!((2_000..6_000).contains(&comments), "{comments}");
    }

    #[test]
    fn members_follow_others_and_everybody_follows_some() {
        let community = community(1, 1_000);
        let everybody: Vec<_> = (1..=1_000).map(UserId).collect();
        let deeds = community.follows(&everybody, PERIOD);
        let followee = |deed: &Deed| match deed.what {
            What::Follow(followee) => followee.0,
            _ => panic!("only follows are here"),
        };
        assert!(deeds.iter().all(|deed| deed.actor.0 != followee(deed)));
        let pairs: HashSet<_> = deeds.iter().map(|deed| (deed.actor.0, followee(deed))).collect();
        assert_eq!(pairs.len(), deeds.len());
        assert!((7_000..14_000).contains(&deeds.len()), "{}", deeds.len());
        let followers = ranked(deeds.iter().map(followee));
        assert!(followers[0] > 300 && followers[followers.len() / 2] < 10, "{followers:?}");
        let of_two = deeds.iter().filter(|deed| [8, 9].contains(&deed.actor.0)).count();
        assert_eq!(community.follows(&everybody[7..9], PERIOD).len(), of_two);
    }

    #[test]
    fn a_lonely_member_only_writes() {
        let community = community(1, 1);
        assert!(community.follows(&[UserId(1)], PERIOD).is_empty());
        let deeds = community.wave(0..20, PERIOD);
        assert!(deeds.iter().all(|deed| matches!(deed.what, What::Post { .. } | What::Comment { .. })));
    }

    #[test]
    fn posts_are_of_both_languages_and_about_one_thing() {
        let deeds = community(1, 100).wave(0..200, PERIOD);
        let contents: Vec<_> = deeds
            .iter()
            .filter_map(|deed| match &deed.what {
                What::Post { title, content } => Some(format!("{title} {content}")),
                _ => None,
            })
            .collect();
        let hangul = |text: &String| text.chars().any(|c| ('가'..='힣').contains(&c));
        let korean = contents.iter().filter(|text| hangul(text)).count();
        assert!((40..180).contains(&korean), "{korean}");
        assert!(!contents.iter().any(|text| text.contains('{')));
    }
}
