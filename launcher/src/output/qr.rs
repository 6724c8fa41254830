//! A QR code on a terminal: two modules a character, light ones drawn, as on a screen that is dark.

use qrcodegen::{QrCode, QrCodeEcc};

/// Light modules around it, as readers want (ISO/IEC 18004 section 9.1).
const QUIET: i32 = 2;

/// The code of a text, in lines; nothing where it is too long for one. Where no more than ASCII is
/// shown a module is two characters wide, as high as it is wide on most screens.
pub fn code(text: &str, utf8: bool) -> Option<String> {
    let code = QrCode::encode_text(text, QrCodeEcc::Low).ok()?;
    let light = |x, y| !code.get_module(x, y);
    let all = -QUIET..code.size() + QUIET;
    let mut lines = String::new();
    if !utf8 {
        for y in all.clone() {
            lines.extend(all.clone().map(|x| if light(x, y) { "##" } else { "  " }));
            lines.push('\n');
        }
        return Some(lines);
    }
    for y in all.clone().step_by(2) {
        for x in all.clone() {
            lines.push(match (light(x, y), y + 1 < all.end && light(x, y + 1)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            });
        }
        lines.push('\n');
    }
    Some(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a reader makes of the drawn code.
    fn read(lines: &str) -> String {
        let rows: Vec<Vec<char>> = lines.lines().map(|line| line.chars().collect()).collect();
        let ascii = lines.is_ascii();
        let dark = |x: usize, y: usize| match ascii {
            true => rows[y][2 * x] == ' ',
            false => !matches!((rows[y / 2][x], y % 2), ('█', _) | ('▀', 0) | ('▄', 1)),
        };
        // A reader wants modules of several pixels.
        const PIXELS: usize = 4;
        let (across, down) = if ascii { (2, 1) } else { (1, 2) };
        let (width, height) = (rows[0].len() / across * PIXELS, rows.len() * down * PIXELS);
        let shade = |x: usize, y: usize| if dark(x / PIXELS, y / PIXELS) { 0 } else { 255 };
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, shade);
        let grids = image.detect_grids();
        let [grid] = grids.as_slice() else { panic!("{} codes in\n{lines}", grids.len()) };
        grid.decode().expect("it can be read").1
    }

    #[test]
    fn what_is_drawn_is_read_back_by_a_reader() {
        let key = "AAECAwQFBgcICQoLDA0ODw%3D%3D";
        for text in [
            format!("ss://2022-blake3-aes-128-gcm:{key}@198.51.100.7:8686#vps"),
            format!(
                "ss://2022-blake3-aes-256-gcm:{key}{key}:{key}{key}@[2001:db8::7]:443#a-longer-name"
            ),
            "x".to_owned(),
        ] {
            for utf8 in [true, false] {
                assert_eq!(read(&code(&text, utf8).expect("it fits")), text, "{utf8}");
            }
        }
    }

    #[test]
    fn a_text_that_is_too_long_has_no_code() {
        assert_eq!(code(&"x".repeat(4_000), true), None);
    }
}
