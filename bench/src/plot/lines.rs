//! How a long run went: rate and space over time.

use super::svg::{Anchor, Svg};
use super::{class, short};
use crate::results::Results;
use crate::workload::{self, Point};

const WIDTH: f64 = 920.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 770.0;
const TOP: f64 = 68.0;
const BOTTOM: f64 = 352.0;
/// Distance of two labels at the end of their lines.
const LABELS: f64 = 15.0;
/// Samples that are drawn as one.
const SMOOTHED: usize = 5;
/// Colours of peers.
const COLOURS: [&str; 7] = ["p0", "p1", "p2", "p3", "p4", "p5", "p6"];

/// Operations per second over time.
pub fn rate(results: &Results) -> Option<String> {
    let curves = curves(results, 1, |_| true)?;
    let titles = [
        "YCSB-A for a long time: operations per second",
        "Half reads, half updates of zipfian keys, on one thread, merging as each store sees fit; the limit never does.",
    ];
    Some(draw(&titles, &curves, None))
}

/// Space over time.
pub fn space(results: &Results) -> Option<String> {
    let curves = curves(results, 2, |engine| !engine.starts_with("limit"))?;
    let titles = [
        "YCSB-A for a long time: space over the bytes of keys and values",
        "The same run. 1 would be the user's bytes and nothing else.",
    ];
    Some(draw(&titles, &curves, Some(1.0)))
}

/// A line and what it is called.
struct Curve {
    engine: String,
    class: &'static str,
    points: Vec<(f64, f64)>,
}

fn curves(results: &Results, column: usize, is_shown: impl Fn(&str) -> bool) -> Option<Vec<Curve>> {
    let workload = workload::named("sustained")?;
    let mut colours = COLOURS.iter().cycle();
    let curves: Vec<Curve> = results
        .courses(workload)
        .filter(|(engine, _)| is_shown(engine))
        .map(|(engine, course)| Curve {
            engine: engine.to_owned(),
            class: match class(engine) {
                "peer" => colours.next().unwrap_or(&"p0"),
                class => class,
            },
            points: smoothed(course, column),
        })
        .collect();
    (!curves.is_empty()).then_some(curves)
}

fn smoothed(course: &[Point], column: usize) -> Vec<(f64, f64)> {
    let mean = |piece: &[Point], column: usize| {
        piece.iter().map(|point| point[column]).sum::<f64>() / piece.len() as f64
    };
    let pieces = course.chunks(SMOOTHED);
    pieces
        .map(|piece| (mean(piece, 0), mean(piece, column)))
        .collect()
}

fn draw(titles: &[&str; 2], curves: &[Curve], from: Option<f64>) -> String {
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let time_max = points().map(|point| point.0).fold(1.0, f64::max);
    let most = points()
        .map(|point| point.1)
        .fold(from.unwrap_or(0.0), f64::max);
    let (step, top) = steps(most * 1.02);
    let place = |time: f64, figure: f64| {
        let x = LEFT + (RIGHT - LEFT) * time / time_max;
        (x, BOTTOM - (BOTTOM - TOP) * (figure / top).min(1.0))
    };
    let mut svg = Svg::new(WIDTH, HEIGHT, titles[0]);
    svg.text("title", Anchor::Start, 24.0, 28.0, titles[0]);
    svg.text("dim", Anchor::Start, 24.0, 46.0, titles[1]);
    let mut figure = 0.0;
    while figure <= top + step / 2.0 {
        let y = place(0.0, figure).1;
        svg.line("grid", (LEFT, y), (RIGHT, y));
        svg.text(
            "dim small num",
            Anchor::End,
            LEFT - 8.0,
            y + 4.0,
            &tick(figure),
        );
        figure += step;
    }
    let (time_step, _) = steps(time_max);
    let mut time = 0.0;
    while time <= time_max + 1e-9 {
        let x = place(time, 0.0).0;
        svg.text(
            "dim small num",
            Anchor::Middle,
            x,
            BOTTOM + 18.0,
            &format!("{time:.0} s"),
        );
        time += time_step;
    }
    if let Some(from) = from {
        let y = place(0.0, from).1;
        svg.line("mark", (LEFT, y), (RIGHT, y));
    }
    // The own ones last, so that they lie on top.
    for is_own in [false, true] {
        for curve in curves
            .iter()
            .filter(|curve| curve.class.starts_with("own") == is_own)
        {
            svg.path(
                curve.class,
                curve
                    .points
                    .iter()
                    .map(|&(time, figure)| place(time, figure)),
            );
        }
    }
    let ends = curves.iter().filter_map(|curve| {
        let &(time, figure) = curve.points.last()?;
        Some((place(time, figure).1, curve))
    });
    for (y, curve) in apart(ends.collect()) {
        let weight = if curve.class == "own" {
            "own strong"
        } else {
            curve.class
        };
        svg.text(weight, Anchor::Start, RIGHT + 10.0, y + 4.0, &curve.engine);
    }
    svg.finish()
}

/// A round figure beside its line, without zeros that say nothing.
fn tick(figure: f64) -> String {
    let short = short(figure);
    let (number, unit) = short.split_once(' ').unwrap_or((&short, ""));
    let number = match number.contains('.') {
        true => number.trim_end_matches('0').trim_end_matches('.'),
        false => number,
    };
    format!("{number} {unit}").trim_end().to_owned()
}

/// A round step, and the first multiple of it that is no less than `most`.
fn steps(most: f64) -> (f64, f64) {
    let rough = (most / 5.0).max(f64::MIN_POSITIVE);
    let power = 10f64.powf(rough.log10().floor());
    let factors = [1.0, 2.0, 2.5, 5.0, 10.0];
    let factor = factors.into_iter().find(|factor| factor * power >= rough);
    let step = factor.unwrap_or(10.0) * power;
    (step, (most / step).ceil() * step)
}

/// Labels moved so that no two lie on one another, in the order of their places.
fn apart(mut labels: Vec<(f64, &Curve)>) -> Vec<(f64, &Curve)> {
    labels.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut free = f64::NEG_INFINITY;
    for label in &mut labels {
        label.0 = label.0.max(free);
        free = label.0 + LABELS;
    }
    let mut floor = BOTTOM;
    for label in labels.iter_mut().rev() {
        label.0 = label.0.min(floor);
        floor = label.0 - LABELS;
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_have_no_idle_zeros() {
        let all = [0.0, 0.5, 2.5, 20.0, 100.0, 200_000.0, 1_000_000.0].map(tick);
        assert_eq!(all, ["0", "0.5", "2.5", "20", "100", "200 k", "1 M"]);
    }

    #[test]
    fn steps_are_round_and_reach_the_top() {
        assert_eq!(steps(10.0), (2.0, 10.0));
        assert_eq!(steps(11.0), (2.5, 12.5));
        assert_eq!(steps(1.3), (0.5, 1.5));
        assert_eq!(steps(870_000.0), (200_000.0, 1_000_000.0));
    }
}
