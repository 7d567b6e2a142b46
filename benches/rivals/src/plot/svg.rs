//! The few shapes that the drawings consist of.

use std::fmt::Write as _;

const FONT: &str = "font-family=\"system-ui, 'DejaVu Sans', sans-serif\"";

/// A drawing on white, so that it can be read on any page.
pub(super) struct Svg {
    width: f64,
    body: String,
}

/// Which part of a text stands at its place.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// How a text looks.
#[derive(Clone, Copy)]
pub(super) struct Style {
    pub(super) size: f64,
    pub(super) colour: &'static str,
    pub(super) is_bold: bool,
}

impl Style {
    pub(super) const TITLE: Self = Self { size: 18.0, ..Self::HEAD };
    pub(super) const HEAD: Self = Self { size: 13.0, colour: "#222", is_bold: true };
    pub(super) const TEXT: Self = Self { size: 12.0, colour: "#222", is_bold: false };
    pub(super) const ASIDE: Self = Self { size: 11.0, colour: "#6b6b6b", is_bold: false };
}

impl Svg {
    pub(super) fn new(width: f64) -> Self {
        Self { width, body: String::new() }
    }

    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), colour: &str, width: f64) {
        let ((x1, y1), (x2, y2)) = (from, to);
        self.shape(format_args!(
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{colour}\" stroke-width=\"{width}\"/>"
        ));
    }

    pub(super) fn polyline(&mut self, points: &[(f64, f64)], colour: &str, width: f64) {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let points = points.join(" ");
        self.shape(format_args!(
            "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\"/>"
        ));
    }

    pub(super) fn dot(&mut self, (x, y): (f64, f64), radius: f64, colour: &str) {
        self.shape(format_args!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\" fill=\"{colour}\"/>"));
    }

    pub(super) fn text(&mut self, (x, y): (f64, f64), style: Style, anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let Style { size, colour, is_bold } = style;
        let weight = if is_bold { " font-weight=\"600\"" } else { "" };
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        self.shape(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size}\" text-anchor=\"{anchor}\" fill=\"{colour}\"{weight}>{text}</text>"
        ));
    }

    fn shape(&mut self, shape: std::fmt::Arguments<'_>) {
        writeln!(self.body, "{shape}").expect("a string takes everything");
    }

    /// The text of the file, for a drawing of this height.
    pub(super) fn finish(self, height: f64) -> String {
        let Self { width, body } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
             height=\"{height:.0}\" {FONT}>\n<rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"#fff\"/>\n{body}</svg>\n"
        )
    }
}
