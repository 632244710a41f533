//! Charts as inline SVG: no script, and every colour, dash and font from the page's style, so that they can be read in
//! the dark, on paper and without colours. A chart library would write its colours into each line.

use std::fmt::Write as _;

use super::page::{escape, grouped};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 240.0;
/// What is left of the plot for the numbers beside and below it.
const LEFT: f64 = 76.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 28.0;
/// About how many lines of the grid there are.
const TICKS: f64 = 5.0;
/// From how many seconds on time is told in minutes.
const MINUTES_FROM: f64 = 300.0;

/// A value over time.
pub(super) struct Line {
    /// What it is.
    pub(super) name: String,
    /// Seconds after the opening, and the value; a gap where there is none.
    pub(super) points: Vec<(f64, Option<f64>)>,
}

/// Lines over the time of the run.
pub(super) struct Chart<'a> {
    /// What is drawn, and in what it is counted.
    pub(super) title: &'a str,
    /// What the reader may want to know about it.
    pub(super) caption: &'a str,
    /// How long the run was, in seconds.
    pub(super) seconds: f64,
    /// At most six: the style knows no more.
    pub(super) lines: Vec<Line>,
}

impl Chart<'_> {
    /// The chart with its title and legend; nothing when there is nothing to draw.
    pub(super) fn figure(&self) -> String {
        let highest = self.lines.iter().filter_map(Line::highest).fold(0.0, f64::max);
        if self.lines.iter().all(|line| line.highest().is_none()) || self.seconds <= 0.0 {
            return String::new();
        }
        let grid = Grid { step: step(highest), top: highest.max(step(highest)) };
        let mut svg = grid.draw();
        self.time_axis(&mut svg);
        for (index, line) in self.lines.iter().enumerate() {
            let place = |(at, value): &(f64, Option<f64>)| value.map(|value| (self.x(*at), grid.y(value)));
            let path = path(line.points.iter().map(place));
            let _ = writeln!(svg, "<path class=\"line l{}\" d=\"{path}\"/>", index + 1);
        }
        framed(self.title, &format!("{}{}", self.legend(), self.caption), &self.told(), &svg)
    }

    fn x(&self, at: f64) -> f64 {
        LEFT + (at / self.seconds).clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    }

    fn time_axis(&self, svg: &mut String) {
        let (scale, unit) = if self.seconds >= MINUTES_FROM { (60.0, "min") } else { (1.0, "s") };
        let end = self.seconds / scale;
        for tick in ticks(step(end), end) {
            let (x, y, label) = (self.x(tick * scale), HEIGHT - 8.0, number(tick, step(end)));
            let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{label} {unit}</text>");
        }
    }

    fn legend(&self) -> String {
        let mut legend = "<span class=\"legend\">".to_owned();
        for (index, line) in self.lines.iter().enumerate() {
            let _ = write!(
                legend,
                "<span><svg class=\"key\" viewBox=\"0 0 36 10\" aria-hidden=\"true\"><path class=\"line l{}\" \
                 d=\"M1 5 L35 5\"/></svg> {}</span> ",
                index + 1,
                escape(&line.name)
            );
        }
        legend + "</span>"
    }

    /// The chart for those who don't see it.
    fn told(&self) -> String {
        let mut text = format!("{}.", self.title);
        for line in &self.lines {
            let last = line.points.iter().rev().find_map(|(_, value)| *value);
            if let Some((highest, last)) = line.highest().zip(last) {
                let tell = |value| number(value, step(highest) / 10.0);
                let _ = write!(text, " {}: at most {}, at the end {}.", line.name, tell(highest), tell(last));
            }
        }
        text
    }
}

impl Line {
    fn highest(&self) -> Option<f64> {
        self.points.iter().filter_map(|(_, value)| *value).reduce(f64::max)
    }
}

/// A column for each value from 0 to 1.
pub(super) fn columns(title: &str, caption: &str, labels: &[String], shares: &[f64]) -> String {
    let highest = shares.iter().copied().fold(0.0, f64::max) * 100.0;
    let grid = Grid { step: step(highest), top: highest.max(step(highest)) };
    let mut svg = String::new();
    for tick in ticks(grid.step, grid.top) {
        grid.rule(&mut svg, tick, &format!("{} %", number(tick, grid.step)));
    }
    let mut told = format!("{title}.");
    #[expect(clippy::cast_precision_loss, reason = "a dozen columns")]
    let width = (WIDTH - LEFT - RIGHT) / shares.len().max(1) as f64;
    let mut left = LEFT;
    for (label, share) in labels.iter().zip(shares) {
        let (x, y, middle) = (left + width * 0.15, grid.y(*share * 100.0), left + width / 2.0);
        let (wide, high, percent) = (width * 0.7, grid.y(0.0) - y, share * 100.0);
        let _ = writeln!(
            svg,
            "<rect class=\"column\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"{high:.1}\"/>\
             <text x=\"{middle:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            HEIGHT - 8.0,
            escape(label)
        );
        let _ = write!(told, " {label}: {percent:.0} %.");
        left += width;
    }
    framed(title, caption, &told, &svg)
}

fn framed(title: &str, caption: &str, told: &str, svg: &str) -> String {
    format!(
        "<figure>\n<h3>{title}</h3>\n<svg role=\"img\" aria-label=\"{}\" viewBox=\"0 0 {WIDTH} {HEIGHT}\">\n{svg}</svg>\n\
         <figcaption>{caption}</figcaption>\n</figure>\n",
        escape(told)
    )
}

/// Straight lines from point to point; a point alone between two gaps is a dot, as the style rounds the ends of lines.
fn path(points: impl Iterator<Item = Option<(f64, f64)>>) -> String {
    let mut path = String::new();
    let mut drawing = false;
    for point in points {
        if let Some((x, y)) = point {
            if !drawing {
                let _ = write!(path, "M{x:.1} {y:.1} ");
            }
            let _ = write!(path, "L{x:.1} {y:.1} ");
        }
        drawing = point.is_some();
    }
    path.truncate(path.trim_end().len());
    path
}

/// The lines across the plot.
struct Grid {
    step: f64,
    /// The value at the plot's upper edge.
    top: f64,
}

impl Grid {
    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - (value / self.top).clamp(0.0, 1.0) * (HEIGHT - TOP - BOTTOM)
    }

    fn draw(&self) -> String {
        let mut svg = String::new();
        for tick in ticks(self.step, self.top) {
            self.rule(&mut svg, tick, &number(tick, self.step));
        }
        svg
    }

    fn rule(&self, svg: &mut String, value: f64, label: &str) {
        let (y, right) = (self.y(value), WIDTH - RIGHT);
        let _ = writeln!(
            svg,
            "<path class=\"grid\" d=\"M{LEFT} {y:.1} L{right} {y:.1}\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
            LEFT - 8.0,
            y + 4.0
        );
    }
}

/// A round distance between two ticks: 1, 2 or 5 times a power of ten.
fn step(highest: f64) -> f64 {
    if highest <= 0.0 {
        return 1.0;
    }
    let rough = highest / TICKS;
    let power = 10_f64.powf(rough.log10().floor());
    let round = [1.0, 2.0, 5.0, 10.0].into_iter().find(|round| round * power >= rough * 0.999);
    round.unwrap_or(10.0) * power
}

/// From 0 to the last one that is not above `end`.
fn ticks(step: f64, end: f64) -> impl Iterator<Item = f64> {
    (0..50).map(move |nth| f64::from(nth) * step).take_while(move |tick| *tick <= end * 1.000_1)
}

/// A number with as many digits after the point as steps of `step` need.
fn number(value: f64, step: f64) -> String {
    let decimals = if step >= 1.0 || value <= 0.0 {
        0
    } else if step >= 0.1 {
        1
    } else {
        2
    };
    grouped(&format!("{value:.decimals$}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: Vec<(f64, Option<f64>)>) -> Chart<'static> {
        let lines = vec![Line { name: "a & b".to_owned(), points }];
        Chart { title: "Speed", caption: "Over time.", seconds: 10.0, lines }
    }

    #[test]
    fn steps_are_round_and_numbers_are_grouped() {
        let steps = [7.0, 100.0, 12_345.0, 0.3].map(|highest| format!("{:.1}", step(highest)));
        assert_eq!(steps, ["2.0", "20.0", "5000.0", "0.1"]);
        assert_eq!(step(0.0).to_bits(), 1.0_f64.to_bits());
        assert_eq!(ticks(20.0, 100.0).collect::<Vec<_>>(), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        assert_eq!((number(12_345.0, 5.0), number(0.25, 0.05), number(999.5, 0.5)), {
            ("12,345".to_owned(), "0.25".to_owned(), "999.5".to_owned())
        });
    }

    #[test]
    fn lines_run_from_the_lower_left_to_the_upper_right_with_gaps() {
        let figure = chart(vec![(0.0, Some(0.0)), (5.0, Some(50.0)), (7.0, None), (10.0, Some(100.0))]).figure();
        assert!(figure.contains("d=\"M76.0 212.0 L76.0 212.0 L386.0 111.0 M696.0 10.0 L696.0 10.0\""), "{figure}");
        assert!(figure.contains(">100</text>") && figure.contains(">10 s</text>"), "{figure}");
        assert!(figure.contains("aria-label=\"Speed. a &amp; b: at most 100, at the end 100.\""));
        assert!(!figure.contains("a & b"), "names are text");
    }

    #[test]
    fn there_is_no_chart_of_nothing() {
        assert_eq!(chart(vec![(1.0, None)]).figure(), "");
        assert_eq!(Chart { seconds: 0.0, ..chart(vec![(0.0, Some(1.0))]) }.figure(), "");
        assert!(chart(vec![(1.0, Some(0.0))]).figure().contains("at most 0"), "nothing all the time is something");
    }

    #[test]
    fn columns_stand_on_the_ground() {
        let figure = columns("Luck", "", &["1st".to_owned(), "2nd".to_owned()], &[1.0, 0.25]);
        assert!(figure.contains("y=\"10.0\" width=\"217.0\" height=\"202.0\""), "{figure}");
        assert!(figure.contains("y=\"161.5\" width=\"217.0\" height=\"50.5\""), "{figure}");
        assert!(figure.contains("aria-label=\"Luck. 1st: 100 %. 2nd: 25 %.\""), "{figure}");
    }
}
