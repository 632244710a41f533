//! Images over HTTP: the change of a profile, with or without one, and the images themselves.

use std::sync::Arc;

use axum::RequestExt as _;
use axum::body::{Body, Bytes};
use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use super::room::Room;
use super::{BYTES_MAX, Upload};
use crate::http::problem::payload_too_large;
use crate::http::{Asker, Buyer, HttpError, InPath, Json, Path, Routes, shape};
use crate::kernel::error::{Error, Kind, Text};
use crate::kernel::ids::UserId;
use crate::users::http::UserView;
use crate::users::profile::{ImageChange, ProfileChange};
use crate::users::{Users, doc};

/// What a multipart body has beside the image: two short texts, and its own lines.
const AROUND_IMAGE_BYTES_MAX: usize = 64 * 1024;

/// Routes of the images.
pub(in crate::users) fn routes() -> Routes<Arc<Users>> {
    Routes::new().get("/media/{name}", image)
}

/// A profile's change as it was sent.
pub(in crate::users) struct Sent(ProfileChange);

/// Changes the asker's profile.
pub(in crate::users) async fn change_profile(
    State(users): State<Arc<Users>>,
    Buyer(actor): Buyer,
    Sent(change): Sent,
) -> Result<Json<UserView>, HttpError> {
    Ok(Json(users.change_profile(actor.user, change).await?.into()))
}

/// A profile's form as a page sends it: like the API's, and sealed.
pub struct ProfileForm {
    /// What shall change.
    pub change: ProfileChange,
    /// The form's seal.
    pub seal: String,
}

impl ProfileForm {
    /// Reads the form that `user` sends.
    ///
    /// # Errors
    /// `429 too_many_uploads`, `413`, `400 malformed_body`, `422` for a field that there is not.
    pub async fn read(mut request: Request, users: &Users, user: UserId) -> Result<Self, HttpError> {
        let room = users.images.rooms.take(user)?;
        DefaultBodyLimit::max(BYTES_MAX + AROUND_IMAGE_BYTES_MAX).apply(&mut request);
        let mut fields =
            Multipart::from_request(request, &()).await.map_err(|rejection| malformed(rejection.body_text()))?;
        let mut page = PageFields::default();
        let mut change = read_fields(&mut fields, room, Some(&mut page)).await?;
        if page.remove_image && matches!(change.image, ImageChange::Keep) {
            change.image = ImageChange::Remove;
        }
        Ok(Self { change, seal: page.seal })
    }
}

/// The fields that only a page's form has.
#[derive(Debug, Default)]
struct PageFields {
    seal: String,
    /// A checkbox, as a file field can't say that the image shall go.
    remove_image: bool,
}

impl FromRequest<Arc<Users>> for Sent {
    type Rejection = HttpError;

    async fn from_request(mut request: Request, users: &Arc<Users>) -> Result<Self, HttpError> {
        if !is_multipart(request.headers()) {
            let Json(body) = Json::<ChangeBody>::from_request(request, users).await?;
            return Ok(Self(body.into()));
        }
        let Buyer(actor) = request.extract_parts().await?;
        let room = users.images.rooms.take(actor.user)?;
        DefaultBodyLimit::max(BYTES_MAX + AROUND_IMAGE_BYTES_MAX).apply(&mut request);
        let asker = Asker::of(&request);
        let mut fields =
            Multipart::from_request(request, users).await.map_err(|rejection| malformed(rejection.body_text()))?;
        Ok(Self(asker.after(read_fields(&mut fields, room, None)).await?))
    }
}

fn is_multipart(headers: &HeaderMap) -> bool {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    media_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("multipart/form-data")
}

/// The JSON body. An image can't be written in JSON, but it can be taken away with `null`.
#[derive(Deserialize, ToSchema)]
#[schema(as = ProfileChange)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(clippy::option_option, reason = "a field that is not there, null and a value are three things")]
pub(in crate::users) struct ChangeBody {
    #[schema(schema_with = doc::name_or_null)]
    name: Option<String>,
    #[schema(schema_with = doc::greeting)]
    greeting: Option<String>,
    #[serde(default, deserialize_with = "given")]
    #[schema(schema_with = shape::null)]
    profile_image: Option<Option<serde::de::IgnoredAny>>,
}

/// Tells `null` from a field that is not there.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl From<ChangeBody> for ProfileChange {
    fn from(body: ChangeBody) -> Self {
        let image = match body.profile_image {
            None => ImageChange::Keep,
            Some(None) => ImageChange::Remove,
            Some(Some(_)) => ImageChange::NotAnImage,
        };
        Self { name: body.name, greeting: body.greeting, image }
    }
}

/// The same as a form, with an image.
#[derive(ToSchema)]
#[schema(as = ProfileForm)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "fields are read as they come; this tells what they are")]
pub(in crate::users) struct ChangeForm {
    #[schema(schema_with = doc::name)]
    name: Option<String>,
    #[schema(schema_with = doc::greeting_text)]
    greeting: Option<String>,
    #[schema(schema_with = shape::file)]
    profile_image: Option<()>,
}

/// Reads the fields; an image takes the `room` that was made for one. Those of a page are taken where they are wanted.
async fn read_fields(
    fields: &mut Multipart,
    room: Room,
    mut page: Option<&mut PageFields>,
) -> Result<ProfileChange, HttpError> {
    let (mut change, mut room) = (ProfileChange::default(), Some(room));
    while let Some(field) = fields.next_field().await.map_err(|error| broken(&error))? {
        match field.name().unwrap_or_default() {
            "name" if change.name.is_none() => change.name = Some(text("name", field).await?),
            "greeting" if change.greeting.is_none() => change.greeting = Some(text("greeting", field).await?),
            "profileImage" if matches!(change.image, ImageChange::Keep) => {
                // What a browser sends when nobody chose a file.
                let chosen = field.file_name().is_some_and(|name| !name.is_empty());
                let bytes = image_bytes(field).await?;
                if (chosen || !bytes.is_empty())
                    && let Some(room) = room.take()
                {
                    change.image = ImageChange::Replace(Upload { bytes, room });
                }
            }
            "seal" if let Some(page) = &mut page => page.seal = text("seal", field).await?,
            "removeImage" if let Some(page) = &mut page => page.remove_image = true,
            name @ ("name" | "greeting" | "profileImage") => {
                let detail = Text::fixed("It is given twice.", "두 번 주어졌습니다.");
                return Err(Error::invalid_field(name.to_owned(), "duplicate_field", detail).into());
            }
            name => {
                let detail = Text::fixed("There is no such field.", "없는 항목입니다.");
                return Err(Error::invalid_field(name.to_owned(), "unknown_field", detail).into());
            }
        }
    }
    Ok(change)
}

async fn text(name: &'static str, field: Field<'_>) -> Result<String, HttpError> {
    let bytes = field.bytes().await.map_err(|error| broken(&error))?;
    String::from_utf8(bytes.into()).map_err(|_| {
        let detail = Text::fixed("The text is not UTF-8.", "UTF-8 텍스트여야 합니다.");
        Error::invalid_field(name, "bad_character", detail).into()
    })
}

async fn image_bytes(mut field: Field<'_>) -> Result<Bytes, HttpError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(|error| broken(&error))? {
        if bytes.len() + chunk.len() > BYTES_MAX {
            return Err(payload_too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.into())
}

/// A body that ended too early, is too large, or is no multipart body.
fn broken(error: &MultipartError) -> HttpError {
    match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => payload_too_large(),
        _ => malformed(error.body_text()),
    }
}

fn malformed(why: String) -> HttpError {
    no_multipart().because(why).into()
}

/// A body that says of itself that it is multipart, and is not.
pub(in crate::users) fn no_multipart() -> Error {
    let detail = Text::fixed("The multipart body can't be read.", "multipart 본문을 읽을 수 없습니다.");
    Error::new(Kind::Malformed, "malformed_body", detail)
}

/// A name as `Images::fresh_name` makes them; whatever else stands in a path leads nowhere.
struct ImageName {
    text: String,
    media_type: &'static str,
}

impl InPath for ImageName {
    fn from_path(text: &str) -> Option<Self> {
        let (random, extension) = text.split_once('.')?;
        let media_type = match extension {
            "png" => "image/png",
            "jpg" => "image/jpeg",
            _ => return None,
        };
        let is_ours = random.len() == 32 && random.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        is_ours.then(|| Self { text: text.to_owned(), media_type })
    }

    fn unknown() -> Error {
        image_not_found()
    }
}

/// Nobody shows an image of this name.
pub(in crate::users) fn image_not_found() -> Error {
    Error::not_found("image_not_found", Text::fixed("There is no such image.", "이미지를 찾을 수 없습니다."))
}

/// An image. Its name is its alone for ever, so it may be kept for as long; and whatever a browser might take it for, it
/// may not act.
async fn image(State(users): State<Arc<Users>>, Path(name): Path<ImageName>) -> Result<(HeaderMap, Body), HttpError> {
    let object = users.images.get(&name.text).await?.ok_or_else(ImageName::unknown)?;
    let headers = HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static(name.media_type)),
        (CONTENT_LENGTH, HeaderValue::from(object.length)),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox")),
        (CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
    ]);
    Ok((headers, Body::from_stream(object.bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_were_made_here_lead_to_an_image() {
        let random = "0123456789abcdef".repeat(2);
        assert_eq!(ImageName::from_path(&format!("{random}.png")).unwrap().media_type, "image/png");
        assert_eq!(ImageName::from_path(&format!("{random}.jpg")).unwrap().media_type, "image/jpeg");
        for bad in ["", ".png", "../shop.db", &random, &format!("{random}.svg"), &format!("{random}.png.jpg"), "a.png"]
        {
            assert!(ImageName::from_path(bad).is_none(), "{bad}");
        }
        assert!(ImageName::from_path(&format!("{}.png", random.to_uppercase())).is_none());
    }
}
