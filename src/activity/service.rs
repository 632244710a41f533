//! What every face calls: posts, comments and likes. Follows are in `follows`.

use std::sync::Arc;

use super::audit;
use super::likes::Likes;
use super::model::{Comment, LikeState, Post, PostDraft, Since};
use super::noted::{self, fields};
use super::rules::{self, Words, comment_not_found, may_change, post_not_found};
use super::store::{comments, counts, posts};
use crate::kernel::actor::Doer;
use crate::kernel::clock::Clock;
use crate::kernel::error::Error;
use crate::kernel::ids::{ActivityId, CommentId, PostId, UserId};
use crate::kernel::page::{Cursors, Page, PageRequest};
use crate::store::proof::Check;
use crate::store::{Conn, Db};
use crate::trail::Action;

const MY_POSTS: Cursors = Cursors("posts");
const LIKED_POSTS: Cursors = Cursors("liked-posts");
const COMMENTS: Cursors = Cursors("comments");
const MY_COMMENTS: Cursors = Cursors("my-comments");
const LIKED_COMMENTS: Cursors = Cursors("liked-comments");

/// Comes after every number.
const LAST: i64 = i64::MAX;

/// Posts, comments, likes and follows.
pub struct Activity {
    pub(super) db: Db,
    pub(super) clock: Arc<dyn Clock>,
    likes: Likes,
}

impl Activity {
    /// The room over `db`.
    #[must_use]
    pub fn new(db: Db, clock: Arc<dyn Clock>) -> Arc<Self> {
        let likes = Likes::new(db.clone());
        Arc::new(Self { db, clock, likes })
    }

    /// Writes a post.
    ///
    /// # Errors
    /// `422` with every fault.
    pub async fn write_post(&self, author: UserId, draft: &PostDraft) -> Result<Post, Error> {
        let words = rules::new_post(draft)?;
        let now = self.clock.now();
        self.db
            .write(move |conn| {
                let id = posts::insert(conn, author, &words, now)?;
                posts::find(conn, id, Some(author))?.ok_or_else(post_not_found)
            })
            .await
    }

    /// One post, as `viewer` sees it.
    ///
    /// # Errors
    /// `404 post_not_found`.
    pub async fn post(&self, id: PostId, viewer: Option<UserId>) -> Result<Post, Error> {
        self.db.read(move |conn| posts::find(conn, id, viewer)?.ok_or_else(post_not_found)).await
    }

    /// Changes a post's words; the time of the change is kept when they differ.
    ///
    /// # Errors
    /// `422` with every fault, `404 post_not_found`, `403 forbidden`.
    pub async fn edit_post(&self, doer: Doer, id: PostId, draft: &PostDraft) -> Result<Post, Error> {
        let words = rules::new_words(draft)?;
        let now = self.clock.now();
        self.db
            .write(move |conn| {
                let post = posts::find(conn, id, Some(doer.actor.user))?.ok_or_else(post_not_found)?;
                may_change(doer.actor, post.writer.id)?;
                let old = Words { title: post.title, content: post.content };
                let new = words.instead_of(&old);
                if new != old {
                    posts::update(conn, (id, post.writer.id), &new, now)?;
                    let fields = fields([("title", new.title != old.title), ("content", new.content != old.content)]);
                    noted::write(conn, doer, (Action::PostEdit, id), (post.writer.id, fields), now)?;
                }
                posts::find(conn, id, Some(doer.actor.user))?.ok_or_else(post_not_found)
            })
            .await
    }

    /// Takes a post out of every list, with its comments, likes and activities.
    ///
    /// # Errors
    /// `404 post_not_found`, `403 forbidden`.
    pub async fn delete_post(&self, doer: Doer, id: PostId) -> Result<(), Error> {
        let now = self.clock.now();
        self.db
            .write(move |conn| {
                let author = counts::find(conn, id)?.ok_or_else(post_not_found)?.author;
                may_change(doer.actor, author)?;
                posts::delete(conn, id, author, now)?;
                noted::write(conn, doer, (Action::PostDelete, id), (author, Vec::new()), now)
            })
            .await
    }

    /// An author's own posts, newest first.
    ///
    /// # Errors
    /// A cursor of another list.
    pub async fn posts_of(&self, author: UserId, page: PageRequest) -> Result<Page<Post>, Error> {
        let before = PostId(MY_POSTS.open_within(author.0, page.after.as_deref())?.unwrap_or(LAST));
        let limit = i64::from(page.limit) + 1;
        let found = self.db.read(move |conn| Ok(posts::of(conn, author, before, limit)?)).await?;
        Ok(MY_POSTS.page_within(author.0, found, page.limit, |post| post.id))
    }

    /// The posts that a user likes, the latest like first.
    ///
    /// # Errors
    /// A cursor of another list.
    pub async fn liked_posts(&self, user: UserId, page: PageRequest) -> Result<Page<Post>, Error> {
        let before = ActivityId(LIKED_POSTS.open_within(user.0, page.after.as_deref())?.unwrap_or(LAST));
        let limit = i64::from(page.limit) + 1;
        let found = self.db.read(move |conn| Ok(posts::liked(conn, user, before, limit)?)).await?;
        Ok(without_since(LIKED_POSTS.page_within(user.0, found, page.limit, |since| since.activity)))
    }

    /// Makes a user like a post, or like it no more.
    ///
    /// # Errors
    /// `404 post_not_found`.
    pub async fn set_post_liked(&self, user: UserId, id: PostId, liked: bool) -> Result<LikeState, Error> {
        let now = self.clock.now();
        self.db
            .write_checked(move |conn| posts::set_liked(conn, id, user, liked, now)?.ok_or_else(post_not_found))
            .await
    }

    /// Which of `posts` a user likes, in their order; from memory as a rule.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn liked_among(&self, user: UserId, posts: &[PostId]) -> Result<Vec<bool>, Error> {
        self.likes.among(user, posts).await
    }

    /// Writes a comment.
    ///
    /// # Errors
    /// `422` on `content`, `404 post_not_found`.
    pub async fn write_comment(&self, author: UserId, post: PostId, content: Option<&str>) -> Result<Comment, Error> {
        let content = rules::comment(content)?;
        let now = self.clock.now();
        self.db
            .write(move |conn| {
                let counts = counts::find(conn, post)?.ok_or_else(post_not_found)?;
                let id = comments::insert(conn, author, counts, &content, now)?;
                comments::find(conn, id, Some(author))?.ok_or_else(comment_not_found)
            })
            .await
    }

    /// The cursor of the part of a post's comments that begins with one of them.
    #[must_use]
    pub fn comments_from(post: PostId, comment: CommentId) -> String {
        COMMENTS.cursor_within(post.0, comment.0 - 1)
    }

    /// A post's comments, oldest first, as `viewer` sees them.
    ///
    /// # Errors
    /// `404 post_not_found`; a cursor of another list.
    pub async fn comments(
        &self,
        post: PostId,
        viewer: Option<UserId>,
        page: PageRequest,
    ) -> Result<Page<Comment>, Error> {
        let after = CommentId(COMMENTS.open_within(post.0, page.after.as_deref())?.unwrap_or(0));
        let limit = i64::from(page.limit) + 1;
        let found = self
            .db
            .read(move |conn| {
                counts::find(conn, post)?.ok_or_else(post_not_found)?;
                Ok(comments::on(conn, post, viewer, after, limit)?)
            })
            .await?;
        Ok(COMMENTS.page_within(post.0, found, page.limit, |comment| comment.id))
    }

    /// An author's own comments, newest first.
    ///
    /// # Errors
    /// A cursor of another list.
    pub async fn comments_of(&self, author: UserId, page: PageRequest) -> Result<Page<Comment>, Error> {
        let before = CommentId(MY_COMMENTS.open_within(author.0, page.after.as_deref())?.unwrap_or(LAST));
        let limit = i64::from(page.limit) + 1;
        let found = self.db.read(move |conn| Ok(comments::of(conn, author, before, limit)?)).await?;
        Ok(MY_COMMENTS.page_within(author.0, found, page.limit, |comment| comment.id))
    }

    /// The comments that a user likes, the latest like first.
    ///
    /// # Errors
    /// A cursor of another list.
    pub async fn liked_comments(&self, user: UserId, page: PageRequest) -> Result<Page<Comment>, Error> {
        let before = ActivityId(LIKED_COMMENTS.open_within(user.0, page.after.as_deref())?.unwrap_or(LAST));
        let limit = i64::from(page.limit) + 1;
        let found = self.db.read(move |conn| Ok(comments::liked(conn, user, before, limit)?)).await?;
        Ok(without_since(LIKED_COMMENTS.page_within(user.0, found, page.limit, |since| since.activity)))
    }

    /// Changes a comment's text; the time of the change is kept when it differs.
    ///
    /// # Errors
    /// `422` on `content`, `404 comment_not_found`, `403 forbidden`.
    pub async fn edit_comment(&self, doer: Doer, id: CommentId, content: Option<&str>) -> Result<Comment, Error> {
        let content = content.map(|content| rules::comment(Some(content))).transpose()?;
        let now = self.clock.now();
        self.db
            .write(move |conn| {
                let comment = comments::find(conn, id, Some(doer.actor.user))?.ok_or_else(comment_not_found)?;
                may_change(doer.actor, comment.writer.id)?;
                let Some(content) = content.filter(|content| *content != comment.content) else { return Ok(comment) };
                comments::update(conn, id, &content, now)?;
                let author = (comment.writer.id, fields([("content", true)]));
                noted::write(conn, doer, (Action::CommentEdit, id), author, now)?;
                comments::find(conn, id, Some(doer.actor.user))?.ok_or_else(comment_not_found)
            })
            .await
    }

    /// Takes a comment out of every list.
    ///
    /// # Errors
    /// `404 comment_not_found`, `403 forbidden`.
    pub async fn delete_comment(&self, doer: Doer, id: CommentId) -> Result<(), Error> {
        let now = self.clock.now();
        self.db
            .write(move |conn| {
                let comment = comments::find(conn, id, None)?.ok_or_else(comment_not_found)?;
                may_change(doer.actor, comment.writer.id)?;
                comments::delete(conn, id, comment.post, now)?;
                noted::write(conn, doer, (Action::CommentDelete, id), (comment.writer.id, Vec::new()), now)
            })
            .await
    }

    /// Makes a user like a comment, or like it no more.
    ///
    /// # Errors
    /// `404 comment_not_found`.
    pub async fn set_comment_liked(&self, user: UserId, id: CommentId, liked: bool) -> Result<LikeState, Error> {
        let now = self.clock.now();
        self.db.write(move |conn| comments::set_liked(conn, id, user, liked, now)?.ok_or_else(comment_not_found)).await
    }

    /// Proves every count and the log from the rows.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn audit(db: &Db) -> Result<Vec<Check>, Error> {
        db.read(Self::prove).await
    }

    /// The same for whoever has a snapshot.
    ///
    /// # Errors
    /// When the database can't be read.
    pub(crate) fn prove(conn: &Conn<'_>) -> Result<Vec<Check>, Error> {
        audit::audit(conn)
    }
}

pub(super) fn without_since<T>(page: Page<Since<T>>) -> Page<T> {
    Page { items: page.items.into_iter().map(|since| since.item).collect(), next_cursor: page.next_cursor }
}
