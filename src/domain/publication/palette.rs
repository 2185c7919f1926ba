//! The colours of the map: one hue, with evenly spaced perceived lightness.
//!
//! They are computed in `OKLCH` (Björn Ottosson, <https://bottosson.github.io/posts/oklab/>), whose
//! lightness is perceptually uniform, and written in sRGB, which every browser and printer
//! supports.

use std::fmt::Write as _;

/// The number of colours: for a load of 0, 0.1, … up to 2.0 and more, relative to the mean.
pub(super) const STEPS: usize = 21;

/// The map's hue in degrees, a blue. People with red-green colour blindness can tell it from the
/// red of failures.
const HUE_DEGREES: f64 = 255.0;
/// Lightness of the quietest and the busiest step on a light background, 0 to 1: quiet is close to
/// the background.
const ON_LIGHT: [f64; 2] = [0.97, 0.34];
/// The same on a dark background.
const ON_DARK: [f64; 2] = [0.22, 0.82];
/// Chroma in the middle of the scale and at its ends; lower where sRGB allows less.
const CHROMA: [f64; 2] = [0.14, 0.05];
/// Halvings when searching the largest chroma in sRGB: 0.14 / 2^12 is less than 1/255 in any
/// channel.
const HALVINGS: u32 = 12;

/// An sRGB colour.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Srgb([u8; 3]);

/// The background of the map.
#[derive(Clone, Copy, Debug)]
pub(super) enum Paper {
    Dark,
    Light,
}

const BLACK: Srgb = Srgb([0; 3]);
const WHITE: Srgb = Srgb([255; 3]);

/// The step for a load relative to the mean.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "0 to 20"
)]
pub(super) fn step(coefficient: f64) -> usize {
    let top = f64::from(u32::try_from(STEPS - 1).unwrap_or(0));
    (coefficient * 10.0).round().clamp(0.0, top) as usize
}

/// The colour of a step.
pub(super) fn colour(step: usize, paper: Paper) -> Srgb {
    let [quiet, busy] = match paper {
        Paper::Dark => ON_DARK,
        Paper::Light => ON_LIGHT,
    };
    let of = |number: usize| f64::from(u32::try_from(number).unwrap_or(0));
    let place = of(step) / of(STEPS - 1);
    let [middle, end] = CHROMA;
    // A parabola: highest in the middle, where sRGB allows the most chroma.
    let chroma = (4.0 * place * (1.0 - place)).mul_add(middle - end, end);
    oklch(place.mul_add(busy - quiet, quiet), chroma, HUE_DEGREES)
}

impl Srgb {
    /// Black or white, whichever has more contrast with this colour. The contrast is at least 4.58,
    /// because the product of the two contrasts is 21, whose square root is 4.58.
    pub(super) fn ink(self) -> Self {
        if self.contrast(BLACK) >= self.contrast(WHITE) {
            BLACK
        } else {
            WHITE
        }
    }

    /// The contrast ratio of two colours, 1 to 21 (WCAG 2.2, "contrast ratio").
    pub(super) fn contrast(self, other: Self) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    fn luminance(self) -> f64 {
        let [red, green, blue] = self.0.map(|channel| {
            let value = f64::from(channel) / 255.0;
            if value <= 0.040_45 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        });
        0.2126f64.mul_add(red, 0.7152f64.mul_add(green, 0.0722 * blue))
    }

    /// The red, green and blue channels.
    pub(super) const fn channels(self) -> [u8; 3] {
        self.0
    }

    pub(super) fn hex(self) -> String {
        let [red, green, blue] = self.0;
        format!("#{red:02x}{green:02x}{blue:02x}")
    }
}

/// The CSS rules of all steps, for light and dark backgrounds: classes `l0` to `l20`. Browsers
/// without `light-dark()` use the first two declarations.
pub(super) fn rules() -> String {
    (0..STEPS).fold(String::new(), |mut css, step| {
        let [light, dark] = [Paper::Light, Paper::Dark].map(|paper| colour(step, paper));
        let (a, b) = (light.hex(), dark.hex());
        let (x, y) = (light.ink().hex(), dark.ink().hex());
        // Writing to a `String` cannot fail.
        let _ = write!(
            css,
            ".l{step}{{background:{a};color:{x};background:light-dark({a},{b});\
             color:light-dark({x},{y})}}"
        );
        css
    })
}

/// From lightness, chroma and hue, reducing the chroma to what sRGB allows.
fn oklch(lightness: f64, chroma: f64, hue_degrees: f64) -> Srgb {
    let (sine, cosine) = hue_degrees.to_radians().sin_cos();
    let at = |chroma: f64| linear(lightness, chroma * cosine, chroma * sine);
    let fits = |rgb: [f64; 3]| rgb.iter().all(|channel| (0.0..=1.0).contains(channel));
    if fits(at(chroma)) {
        return encoded(at(chroma));
    }
    let (mut low, mut high) = (0.0, chroma);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if fits(at(middle)) {
            low = middle;
        } else {
            high = middle;
        }
    }
    encoded(at(low))
}

/// Oklab to linear sRGB.
#[expect(clippy::many_single_char_names, reason = "the names of the definition")]
fn linear(lightness: f64, a: f64, b: f64) -> [f64; 3] {
    let l = (lightness + 0.396_337_777_4 * a + 0.215_803_757_3 * b).powi(3);
    let m = (lightness - 0.105_561_345_8 * a - 0.063_854_172_8 * b).powi(3);
    let s = (lightness - 0.089_484_177_5 * a - 1.291_485_548_0 * b).powi(3);
    [
        4.076_741_662_1 * l - 3.307_711_591_3 * m + 0.230_969_929_2 * s,
        -1.268_438_004_6 * l + 2.609_757_401_1 * m - 0.341_319_396_5 * s,
        -0.004_196_086_3 * l - 0.703_418_614_7 * m + 1.707_614_701_0 * s,
    ]
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "0 to 255"
)]
fn encoded(linear: [f64; 3]) -> Srgb {
    Srgb(linear.map(|value| {
        let value = value.clamp(0.0, 1.0);
        let encoded = if value <= 0.003_130_8 {
            12.92 * value
        } else {
            1.055f64.mul_add(value.powf(1.0 / 2.4), -0.055)
        };
        (encoded * 255.0).round() as u8
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_colours_come_out_as_css_has_them() {
        // CSS Color 4: oklch(0.627955 0.257683 29.2339) is red, oklch(0.452014 0.313214 264.052) blue.
        assert_eq!(oklch(0.627_955, 0.257_68, 29.233_9).hex(), "#ff0000");
        assert_eq!(oklch(1.0, 0.0, 0.0), WHITE);
        assert_eq!(oklch(0.0, 0.0, 0.0), BLACK);
    }

    #[test]
    fn the_map_s_colours_are_monotone_and_every_number_on_them_can_be_read() {
        for paper in [Paper::Light, Paper::Dark] {
            let colours: Vec<Srgb> = (0..STEPS).map(|step| colour(step, paper)).collect();
            let rising = |pair: &[Srgb]| pair[0].luminance() < pair[1].luminance();
            let steps = colours.windows(2).filter(|pair| rising(pair)).count();
            let wanted = match paper {
                Paper::Dark => STEPS - 1,
                Paper::Light => 0,
            };
            assert_eq!(steps, wanted, "{colours:?}");
            for colour in colours {
                let contrast = colour.contrast(colour.ink());
                assert!(contrast >= 4.5, "{colour:?} {contrast}");
            }
        }
    }

    #[test]
    fn a_load_has_the_step_of_its_tenth() {
        for (load, want) in [
            (0.0, 0),
            (0.04, 0),
            (0.05, 1),
            (1.0, 10),
            (1.96, 20),
            (9.3, 20),
        ] {
            assert_eq!(step(load), want, "{load}");
        }
    }
}
