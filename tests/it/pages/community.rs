//! The newsfeed, profiles and one's own page.

use image::ImageFormat;
use preorder::config::MediaUrl;
use preorder::kernel::actor::Role;
use reqwest::Method;

use crate::images::drawn;
use crate::support::{Browser, PASSWORD, Seen, TestApp};

/// A browser in which `name` is signed in, who has an account now; and their number.
async fn member(app: &TestApp, name: &str) -> (Browser, i64) {
    let account = app.account(name, Role::User).await;
    (app.signed_in_browser(name).await, account.id.0)
}

/// Writes a post; gives its page.
async fn write(browser: &Browser, title: &str, content: &str) -> Seen {
    let feed = browser.open("/feed").await;
    browser.submit(&feed, "/feed", &[("title", title), ("content", content)]).await.is(200)
}

#[tokio::test]
async fn people_write_and_like_and_comment() {
    let app = TestApp::start().await;
    let (ann, _) = member(&app, "ann").await;
    let (bob, _) = member(&app, "bob").await;
    let post = write(&ann, "A first post", "Anybody here?").await.says(&["A first post", "Anybody here?"]);
    let path = post.path.clone();

    let page = bob.open(&path).await.is(200);
    assert!(!page.has_form(&format!("{path}/delete")));
    let page = bob.submit(&page, &format!("{path}/like"), &[]).await.is(200).says(&["♥ Like 1"]);
    let page = bob.submit(&page, &format!("{path}/comments"), &[("content", "Me too")]).await.is(200);
    let page = page.says(&["Me too", "Comments: 1"]);
    let comment = page.html.split("action=\"/comments/").nth(1).unwrap().split('/').next().unwrap().to_owned();
    let page = bob.submit(&page, &format!("/comments/{comment}/like"), &[]).await.is(200);
    let page = bob.submit(&page, &format!("/comments/{comment}/unlike"), &[]).await.is(200);
    let page = bob.submit(&page, &format!("{path}/unlike"), &[]).await.is(200).says(&["♡ Like 0"]);
    assert!(page.path.starts_with(&path));
    bob.submit(&page, &format!("/comments/{comment}/delete"), &[]).await.is(200).says(&["Comments: 0"]);

    // From the list, one stays in the list.
    let feed = bob.open("/feed?type=all&sort=like").await.is(200);
    let feed = bob.submit(&feed, &format!("{path}/like"), &[]).await.is(200).says(&["♥ Like 1"]);
    assert!(feed.path.starts_with("/feed?type=all&sort=like#post-"), "{}", feed.path);
    let page = ann.open(&path).await;
    ann.submit(&page, &format!("{path}/delete"), &[]).await.is(200).does_not_say("A first post");
    bob.open(&path).await.is(404);
}

#[tokio::test]
async fn a_comment_is_shown_to_its_author_however_many_there_are() {
    let app = TestApp::start().await;
    let (ann, _) = member(&app, "ann").await;
    let post = write(&ann, "Much discussed", "?").await;
    let number: i64 = post.path.rsplit('/').next().unwrap().parse().unwrap();
    let bob = app.user("bob").await;
    for index in 0..50 {
        bob.comment(number, &format!("thought {index}")).await;
    }
    let comments = format!("{}/comments", post.path);
    let page = ann.submit(&post, &comments, &[("content", "the last word")]).await.is(200).says(&["the last word"]);
    page.says(&["First page"]).does_not_say("thought 0");
    ann.open(&post.path).await.is(200).says(&["thought 0", "Next page"]).does_not_say("the last word");
}

#[tokio::test]
async fn what_is_no_fault_of_whoever_typed_is_no_fault_beside_a_field() {
    let app = TestApp::with(|config| config.media.url = MediaUrl::Folder("/dev/null/media".into())).await;
    let (ann, _) = member(&app, "ann").await;
    let page = ann.open("/me").await;
    send_profile(&ann, &page, &[], Some(&drawn(ImageFormat::Png))).await.is(503).says(&["One moment, please"]);
}

#[tokio::test]
async fn a_reader_follows_somebody_and_sees_their_posts() {
    let app = TestApp::start().await;
    let (ann, id) = member(&app, "ann").await;
    let (bob, _) = member(&app, "bob").await;
    write(&ann, "By ann", "one").await;
    write(&bob, "By bob", "two").await;
    bob.open("/feed").await.says(&["By ann", "By bob"]);
    bob.open("/feed?type=follow").await.is(200).says(&["Follow somebody"]).does_not_say("By ann");
    let profile = bob.open(&format!("/people/{id}")).await.is(200).says(&["ann", "By ann", "followers 0"]);
    let profile = bob.submit(&profile, &format!("/people/{id}/follow"), &[]).await.is(200);
    let profile = profile.says(&["Unfollow"]);
    bob.open("/feed?type=follow").await.says(&["By ann"]).does_not_say("By bob");
    bob.submit(&profile, &format!("/people/{id}/unfollow"), &[]).await.is(200);
    bob.open("/feed?type=follow").await.does_not_say("By ann");
    let own = ann.open(&format!("/people/{id}")).await.is(200);
    assert!(!own.has_form(&format!("/people/{id}/follow")));
    // Nobody in particular sees everybody's posts, and must sign in for those of whom they follow.
    let nobody = app.browser();
    let feed = nobody.open("/feed").await.is(200).says(&["By ann", "By bob"]);
    assert!(!feed.has_form("/feed"));
    assert_eq!(nobody.open("/feed?type=follow").await.path, "/signin?next=%2Ffeed%3Ftype%3Dfollow");
}

#[tokio::test]
async fn what_is_wrong_with_a_post_or_a_comment_is_told_and_kept() {
    let app = TestApp::start().await;
    let (ann, _) = member(&app, "ann").await;
    let feed = ann.open("/feed").await;
    let refused = ann.submit(&feed, "/feed", &[("title", ""), ("content", "A long thought")]).await.is(422);
    assert!(refused.html.contains("id=\"e-title\"") && !refused.html.contains("id=\"e-content\""));
    assert!(refused.form("/feed", &[]).contains(&("content".to_owned(), "A long thought".to_owned())));
    let post = write(&ann, "Title", "Text").await;
    let comments = format!("{}/comments", post.path);
    let long = "x".repeat(1_001);
    let refused = ann.submit(&post, &comments, &[("content", &long)]).await.is(422).says(&["At most 1000 characters"]);
    assert!(refused.form(&comments, &[]).contains(&("content".to_owned(), long)));
}

#[tokio::test]
async fn words_of_others_can_do_nothing() {
    let app = TestApp::start().await;
    let (ann, id) = member(&app, "ann").await;
    let bad = "<script>alert(1)</script>\" onmouseover=\"alert(2)";
    let post = write(&ann, bad, bad).await;
    ann.submit(&post, &format!("{}/comments", post.path), &[("content", bad)]).await.is(200);
    let me = ann.open("/me").await;
    let saved = send_profile(&ann, &me, &[("name", bad), ("greeting", bad)], None).await;
    assert_eq!(saved.header("location"), "/me?said=saved");
    for path in ["/feed", &*post.path, &format!("/people/{id}"), "/me"] {
        let page = ann.open(path).await.is(200).says(&[bad]);
        assert!(!page.html.contains("<script>alert") && !page.html.contains("\" onmouseover"), "{path}");
        // A text may run in the other direction: it is set apart from what stands beside it.
        for (at, _) in page.html.match_indices("&#60;script") {
            let before = &page.html[..at];
            let tag = before.rsplit('<').next().unwrap();
            let is_apart = tag.starts_with("bdi") || tag.contains("dir=\"auto\"");
            assert!(is_apart || tag.starts_with("title") || tag.starts_with("input "), "{path}: {tag}");
        }
    }
}

/// Sends the profile's form as a browser does when it may carry a file.
async fn send_profile(browser: &Browser, page: &Seen, typed: &[(&str, &str)], image: Option<&[u8]>) -> Seen {
    let mut body = Vec::new();
    for (name, value) in page.form("/me", typed) {
        if name != "profileImage" && (name != "removeImage" || typed.contains(&("removeImage", "yes"))) {
            let field = format!("--xyz\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
            body.extend_from_slice(field.as_bytes());
        }
    }
    let file = if image.is_some() { "me.png" } else { "" };
    let head = format!(
        "--xyz\r\ncontent-disposition: form-data; name=\"profileImage\"; filename=\"{file}\"\r\n\
         content-type: application/octet-stream\r\n\r\n"
    );
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(image.unwrap_or_default());
    body.extend_from_slice(b"\r\n--xyz--\r\n");
    let request = browser.request(Method::POST, "/me").header("content-type", "multipart/form-data; boundary=xyz");
    browser.send("/me", request.body(body)).await
}

#[tokio::test]
async fn a_profile_changes_with_and_without_an_image() {
    let app = TestApp::start().await;
    let (ann, id) = member(&app, "ann").await;
    let page = ann.open("/me").await.is(200).says(&["ann@example.com"]);
    let saved = send_profile(&ann, &page, &[("name", "Ann B."), ("greeting", "Hello")], None).await;
    let page = ann.open(saved.header("location")).await.is(200).says(&["Saved.", "Ann B."]);
    assert!(!page.html.contains("/media/"));
    send_profile(&ann, &page, &[], Some(&drawn(ImageFormat::Png))).await;
    let page = ann.open("/me").await;
    let image = page.html.split("src=\"/media/").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert_eq!(ann.ask(Method::GET, &format!("/media/{image}")).await.status, 200);
    assert!(app.browser().open(&format!("/people/{id}")).await.html.contains(&image));
    let refused = send_profile(&ann, &page, &[("name", "")], Some(b"no image")).await.is(422);
    assert!(refused.html.contains("id=\"e-name\"") && refused.html.contains("id=\"e-profileImage\""));
    send_profile(&ann, &page, &[("removeImage", "yes")], None).await;
    assert!(!ann.open("/me").await.says(&["Ann B."]).html.contains("/media/"));
    // Not from another site, and not with another's seal.
    let (bob, _) = member(&app, "bob").await;
    let theirs = bob.open("/me").await;
    send_profile(&ann, &theirs, &[("name", "Bob")], None).await.is(403);
    ann.open("/me").await.says(&["Ann B."]);
}

#[tokio::test]
async fn a_new_password_ends_the_other_sessions_and_signing_out_everywhere_all() {
    let app = TestApp::start().await;
    let (ann, _) = member(&app, "ann").await;
    let other = app.signed_in_browser("ann").await;
    let page = ann.open("/me").await;
    let wrong = [("currentPassword", "wrong horse"), ("newPassword", "another horse")];
    let refused = ann.submit(&page, "/me/password", &wrong).await.is(422);
    assert!(refused.html.contains("id=\"e-currentPassword\""));
    let right = [("currentPassword", PASSWORD), ("newPassword", "another horse")];
    let page = ann.submit(&page, "/me/password", &right).await.is(200).says(&["The password was changed"]);
    assert_eq!(other.open("/me").await.path, "/signin?next=%2Fme&said=signed_out");
    other.open("/signin?next=%2Fme&said=signed_out").await.says(&["You have been signed out"]);
    let home = ann.submit(&page, "/me/signout-everywhere", &[]).await.is(200);
    home.says(&["Sign in"]).does_not_say("Sign out");
    assert!(ann.cookie("session").is_none());
}

#[tokio::test]
async fn whoever_withdraws_is_gone() {
    let app = TestApp::start().await;
    let (ann, id) = member(&app, "ann").await;
    let page = ann.open("/me").await;
    ann.submit(&page, "/me/withdraw", &[]).await.is(200).does_not_say("Sign out");
    ann.sign_in("ann").await.is(401);
    app.browser().open(&format!("/people/{id}")).await.is(200).says(&["withdrawn user"]);
}
