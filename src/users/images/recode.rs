//! An image as somebody sent it, read and written anew. Pure.
//!
//! What is kept was made by this program: nothing that hid in the sent file (a page, a script, a place where a photo was
//! taken) is ever handed to anybody.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use crate::kernel::error::{FieldError, Text};

/// The most pixels of a side.
const SIDE_MAX: u32 = 4_096;

/// What a decoder may hold: an image of the largest size with 16 bits a channel, and some room to work in.
const DECODER_BYTES_MAX: u64 = 192 * 1024 * 1024;

/// JPEG's measure of quality, 1 to 100.
const JPEG_QUALITY: u8 = 90;

/// A format that images are kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// Without loss, with transparency.
    Png,
    /// With a little loss.
    Jpeg,
}

impl Kept {
    /// The end of an object's name.
    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpg",
        }
    }
}

/// An image that this program wrote.
#[derive(Debug)]
pub(in crate::users) struct Recoded {
    pub(super) bytes: Vec<u8>,
    pub(super) format: Kept,
}

/// Reads a PNG, JPEG or WebP image, whatever its name says it is, and writes it anew, upright: PNG as PNG, JPEG as JPEG, and
/// WebP as PNG when it is transparent, else as JPEG (there is no small WebP without loss). Of an animation the first picture
/// stays. Takes up to a second for the largest.
///
/// # Errors
/// `not_an_image` and `too_large`, on the field `profileImage`.
pub(super) fn recode(sent: &[u8]) -> Result<Recoded, FieldError> {
    let format = image::guess_format(sent).map_err(|_| not_an_image())?;
    if !matches!(format, ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP) {
        return Err(not_an_image());
    }
    let mut reader = ImageReader::with_format(Cursor::new(sent), format);
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(DECODER_BYTES_MAX);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|_| not_an_image())?;
    let (width, height) = decoder.dimensions();
    // Before a pixel is read: a few bytes can stand for gigabytes of them.
    if width > SIDE_MAX || height > SIDE_MAX {
        return Err(too_large());
    }
    let upright = decoder.orientation().map_err(|_| not_an_image())?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(|_| not_an_image())?;
    image.apply_orientation(upright);
    let kept = match format {
        ImageFormat::Png => Kept::Png,
        ImageFormat::WebP if image.color().has_alpha() => Kept::Png,
        _ => Kept::Jpeg,
    };
    write(image, kept).map_err(|_| not_an_image())
}

fn write(image: DynamicImage, format: Kept) -> image::ImageResult<Recoded> {
    let mut bytes = Vec::new();
    match format {
        Kept::Jpeg => image.into_rgb8().write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY)),
        Kept::Png => {
            let encoder = PngEncoder::new_with_quality(&mut bytes, CompressionType::Default, FilterType::Adaptive);
            if image.color().has_alpha() {
                image.into_rgba8().write_with_encoder(encoder)
            } else {
                image.into_rgb8().write_with_encoder(encoder)
            }
        }
    }?;
    Ok(Recoded { bytes, format })
}

pub(in crate::users) fn not_an_image() -> FieldError {
    let detail = Text::fixed("A PNG, JPEG or WebP image.", "PNG, JPEG 또는 WebP 이미지여야 합니다.");
    FieldError { field: "profileImage".into(), code: "not_an_image", detail }
}

fn too_large() -> FieldError {
    let detail = Text::made(
        format!("At most {SIDE_MAX} pixels wide and {SIDE_MAX} high."),
        format!("가로와 세로가 각각 {SIDE_MAX}픽셀 이하여야 합니다."),
    );
    FieldError { field: "profileImage".into(), code: "too_large", detail }
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage, Rgba, RgbaImage};

    use super::*;

    fn drawn(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        let image = RgbImage::from_fn(width, height, |x, _| if x == 0 { Rgb([255, 0, 0]) } else { Rgb([0, 0, 255]) });
        image.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn read(recoded: &Recoded) -> DynamicImage {
        image::load_from_memory(&recoded.bytes).unwrap()
    }

    fn fault(sent: &[u8]) -> &'static str {
        recode(sent).unwrap_err().code
    }

    #[test]
    fn the_three_formats_are_taken() {
        for (sent, kept) in
            [(ImageFormat::Png, Kept::Png), (ImageFormat::Jpeg, Kept::Jpeg), (ImageFormat::WebP, Kept::Jpeg)]
        {
            let recoded = recode(&drawn(30, 20, sent)).unwrap();
            assert_eq!(recoded.format, kept, "{sent:?}");
            let image = read(&recoded);
            assert_eq!((image.width(), image.height()), (30, 20), "{sent:?}");
        }
    }

    #[test]
    fn transparency_stays() {
        for format in [ImageFormat::Png, ImageFormat::WebP] {
            let mut bytes = Cursor::new(Vec::new());
            RgbaImage::from_pixel(2, 2, Rgba([9, 8, 7, 0])).write_to(&mut bytes, format).unwrap();
            let recoded = recode(&bytes.into_inner()).unwrap();
            assert_eq!(recoded.format, Kept::Png);
            assert_eq!(read(&recoded).into_rgba8().get_pixel(0, 0).0[3], 0, "{format:?}");
        }
    }

    #[test]
    fn what_hides_in_a_file_is_gone() {
        let hidden = b"<script>alert(1)</script>";
        for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP] {
            let sent = [&drawn(8, 8, format)[..], hidden].concat();
            let recoded = recode(&sent).unwrap();
            assert!(!recoded.bytes.windows(hidden.len()).any(|bytes| bytes == hidden), "{format:?}");
        }
    }

    #[test]
    fn a_photo_is_turned_upright() {
        // EXIF of a camera held sideways: orientation 6, "rotate by 90 degrees".
        let exif: &[u8] = &[
            0xFF, 0xE1, 0x00, 0x22, b'E', b'x', b'i', b'f', 0, 0, b'M', b'M', 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0,
            3, 0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0,
        ];
        let jpeg = drawn(16, 8, ImageFormat::Jpeg);
        let sent = [&jpeg[..2], exif, &jpeg[2..]].concat();
        let image = read(&recode(&sent).unwrap());
        assert_eq!((image.width(), image.height()), (8, 16));
    }

    #[test]
    fn what_is_no_image_is_refused() {
        let png = drawn(8, 8, ImageFormat::Png);
        for bad in [
            &b""[..],
            b"hello",
            b"<svg xmlns='http://www.w3.org/2000/svg'/>",
            b"GIF89a\x01\x00\x01\x00\x00\x00\x00;",
            b"\x89PNG\r\n\x1a\n",
            b"\xFF\xD8\xFF\xE0",
            b"RIFF\x04\x00\x00\x00WEBP",
            &png[..png.len() / 2],
        ] {
            assert_eq!(fault(bad), "not_an_image", "{bad:?}");
        }
    }

    /// A PNG's head that promises `width` times `height` pixels, and hardly any data.
    fn bomb(width: u32, height: u32) -> Vec<u8> {
        let mut png = drawn(8, 8, ImageFormat::Png);
        png[16..20].copy_from_slice(&width.to_be_bytes());
        png[20..24].copy_from_slice(&height.to_be_bytes());
        let checksum = crc32(&png[12..29]);
        png[29..33].copy_from_slice(&checksum.to_be_bytes());
        png
    }

    /// PNG's checksum, so that the head is believed.
    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0_u32, |sum, byte| {
            (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xEDB8_8320 & (sum & 1).wrapping_neg()))
        })
    }

    #[test]
    fn what_would_fill_the_memory_is_refused_before_it_is_read() {
        assert_eq!(fault(&bomb(100_000, 100_000)), "too_large");
        assert_eq!(fault(&bomb(4_097, 1)), "too_large");
        assert_eq!(fault(&bomb(1, 4_097)), "too_large");
        assert_eq!(fault(&bomb(4_096, 4_096)), "not_an_image", "it has not enough data");
        assert!(recode(&drawn(4_096, 1, ImageFormat::Png)).is_ok());
        assert_eq!(fault(&drawn(4_097, 1, ImageFormat::Jpeg)), "too_large");
    }
}
