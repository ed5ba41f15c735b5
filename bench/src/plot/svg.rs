//! As much of SVG as these pictures need.

use std::fmt::Write;

const STYLE: &str = "
text { font: 12px ui-sans-serif, system-ui, 'Segoe UI', Helvetica, Arial, sans-serif; fill: #1e293b; }
.title { font-size: 16px; font-weight: 600; }
.head { font-size: 13px; font-weight: 600; }
.dim { fill: #64748b; }
.small { font-size: 11px; }
.num { font-variant-numeric: tabular-nums; }
.strong { font-weight: 600; }
.grid { stroke: #e2e8f0; stroke-width: 1; }
.mark { stroke: #475569; stroke-width: 1.25; }
rect.own { fill: #d9480f; } rect.own2 { fill: #f4a261; } rect.peer { fill: #9fb0c3; }
rect.limit { fill: #e2e8f0; stroke: #94a3b8; stroke-width: 0.75; }
text.own, text.own2 { fill: #b93a08; }
path { fill: none; stroke-width: 1.5; stroke-linejoin: round; }
path.own { stroke: #d9480f; stroke-width: 2.5; } path.own2 { stroke: #f4a261; stroke-width: 2; }
path.limit { stroke: #475569; stroke-dasharray: 5 4; }
.p0 { stroke: #2f6fab; } .p1 { stroke: #2a9d8f; } .p2 { stroke: #8e6bbf; } .p3 { stroke: #b8860b; }
.p4 { stroke: #c2548d; } .p5 { stroke: #5b7083; } .p6 { stroke: #6a994e; }
text.p0, text.p1, text.p2, text.p3, text.p4, text.p5, text.p6 { stroke: none; }
text.p0 { fill: #2f6fab; } text.p1 { fill: #21867a; } text.p2 { fill: #8e6bbf; } text.p3 { fill: #936b09; }
text.p4 { fill: #c2548d; } text.p5 { fill: #5b7083; } text.p6 { fill: #557c3e; }
@media (prefers-color-scheme: dark) {
  text { fill: #e2e8f0; } .dim { fill: #94a3b8; } .grid { stroke: #334155; } .mark { stroke: #cbd5e1; }
  rect.own { fill: #f97316; } rect.own2 { fill: #9a5a2b; } rect.peer { fill: #55677d; }
  rect.limit { fill: #1e293b; stroke: #64748b; }
  text.own, text.own2 { fill: #fb923c; }
  path.own { stroke: #f97316; } path.limit { stroke: #cbd5e1; }
}
";

/// A picture in the making.
pub struct Svg {
    width: f64,
    height: f64,
    title: String,
    body: String,
}

/// Which end of a text is at its place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// Its beginning.
    Start,
    /// Its middle.
    Middle,
    /// Its end.
    End,
}

impl Svg {
    /// An empty one of this size in pixels; `title` is for those who cannot see it.
    pub fn new(width: f64, height: f64, title: &str) -> Self {
        Self {
            width,
            height,
            title: escaped(title),
            body: String::new(),
        }
    }

    /// A filled rectangle with slightly round corners.
    pub fn rect(&mut self, class: &str, x: f64, y: f64, width: f64, height: f64) {
        let _ = writeln!(
            self.body,
            r#"<rect class="{class}" x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" rx="1.5"/>"#
        );
    }

    /// A straight line.
    pub fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let ((x1, y1), (x2, y2)) = (from, to);
        let _ = writeln!(
            self.body,
            r#"<line class="{class}" x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}"/>"#
        );
    }

    /// A line through points.
    pub fn path(&mut self, class: &str, points: impl IntoIterator<Item = (f64, f64)>) {
        let mut track = String::new();
        for (number, (x, y)) in points.into_iter().enumerate() {
            let verb = if number == 0 { 'M' } else { 'L' };
            let _ = write!(track, "{verb}{x:.1} {y:.1}");
        }
        let _ = writeln!(self.body, r#"<path class="{class}" d="{track}"/>"#);
    }

    /// Words on a base line.
    pub fn text(&mut self, class: &str, anchor: Anchor, x: f64, y: f64, words: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let words = escaped(words);
        let _ = writeln!(
            self.body,
            r#"<text class="{class}" text-anchor="{anchor}" x="{x:.1}" y="{y:.1}">{words}</text>"#
        );
    }

    /// The file's text.
    pub fn finish(self) -> String {
        let Self {
            width,
            height,
            title,
            body,
        } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
             viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\">\n<title>{title}</title>\n\
             <style>{STYLE}</style>\n{body}</svg>\n"
        )
    }
}

fn escaped(words: &str) -> String {
    words
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_cannot_become_markup() {
        let mut svg = Svg::new(10.0, 10.0, "a < b");
        svg.text("", Anchor::Start, 0.0, 0.0, "<b> & c");
        let text = svg.finish();
        assert!(text.contains("<title>a &lt; b</title>"));
        assert!(text.contains(">&lt;b&gt; &amp; c</text>"));
    }
}
