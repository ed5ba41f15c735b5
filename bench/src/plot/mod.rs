//! Pictures of results, as SVG that follows the reader's light or dark theme.

mod bars;
mod lines;
mod svg;

pub use bars::overview;
pub use lines::{rate, space};

/// How an engine is drawn.
fn class(engine: &str) -> &'static str {
    match engine {
        "portcask" => "own",
        _ if engine.starts_with("portcask") => "own2",
        _ if engine.starts_with("limit") => "limit",
        _ => "peer",
    }
}

/// A figure short enough for a picture.
fn short(figure: f64) -> String {
    let digits = |figure: f64| {
        if figure < 10.0 {
            2
        } else {
            usize::from(figure < 100.0)
        }
    };
    match figure {
        f if f >= 1e9 => format!("{:.*} G", digits(f / 1e9), f / 1e9),
        f if f >= 1e6 => format!("{:.*} M", digits(f / 1e6), f / 1e6),
        f if f >= 1e4 => format!("{:.0} k", f / 1e3),
        f => format!("{:.*}", digits(f), f),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short() {
        let all = [0.123, 12.34, 345.6, 9876.0, 65_432.0, 1_230_000.0, 8.2e9].map(short);
        assert_eq!(
            all,
            ["0.12", "12.3", "346", "9876", "65 k", "1.23 M", "8.20 G"]
        );
    }
}
