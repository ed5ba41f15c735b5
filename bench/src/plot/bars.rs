//! The overview: for each figure that matters, every engine as a bar over the limit's.

use super::svg::{Anchor, Svg};
use super::{class, short};
use crate::results::Results;
use crate::workload::{self, Metric, Workload};

/// What is shown: workload, metric, heading.
const SHOWN: &[(&str, &str, &str)] = &[
    ("fill", "put", "put"),
    ("fill1k", "put", "put, 1 KiB"),
    ("fillbatch", "batch1000_put", "put, batches of 1,000"),
    ("durable", "durable_put_t1", "durable put, 1 thread"),
    ("durable", "durable_put_t64", "durable put, 64 threads"),
    ("read", "get_t1", "get, 1 thread"),
    ("read", "get_t2", "get, 2 threads"),
    ("read", "get_many_16", "get_many of 16"),
    ("read", "miss_t1", "get of an absent key"),
    ("ycsb", "a_t1", "YCSB-A, half updates"),
    ("ycsb", "b_t1", "YCSB-B, 5 % updates"),
    ("large", "put_1MiB", "put, 1 MiB"),
    ("large", "get_1MiB", "get, 1 MiB"),
    ("delete", "delete_half", "delete"),
    ("delete", "merge_live_keys", "merge, live keys"),
    ("delete", "space_after_merge_and_close", "space after merge"),
    ("reopen", "open_clean_keys", "reopen, keys"),
    ("reopen", "anon_per_key", "memory per key"),
];

const COLUMNS: usize = 3;
const PANEL_WIDTH: f64 = 292.0;
const GAP: f64 = 24.0;
const TOP: f64 = 64.0;
const HEAD: f64 = 38.0;
const ROW: f64 = 17.0;
const BAR: f64 = 11.0;
/// From a panel's left edge: where bars begin, and where ratios and figures end.
const BARS_AT: f64 = 106.0;
const BARS_WIDTH: f64 = 94.0;
const RATIOS_END: f64 = 242.0;
const FIGURES_END: f64 = PANEL_WIDTH;
/// Longer bars are cut; the ratio beside them tells.
const RATIO_MAX: f64 = 2.0;
/// So that the limit's mark never stands at the edge.
const RATIO_MIN: f64 = 1.15;

/// The overview.
pub fn overview(results: &Results) -> String {
    let panels: Vec<Panel> = SHOWN
        .iter()
        .filter_map(|shown| Panel::of(results, shown))
        .collect();
    let rows = panels.chunks(COLUMNS);
    let height_of = |row: &[Panel]| {
        let most = row.iter().map(|panel| panel.bars.len()).max().unwrap_or(0);
        HEAD + most as f64 * ROW + GAP
    };
    let height = TOP + rows.clone().map(height_of).sum::<f64>();
    let width = COLUMNS as f64 * (PANEL_WIDTH + GAP) + GAP;
    let mut svg = Svg::new(width, height, "Each engine's figures over the limit's");
    svg.text("title", Anchor::Start, GAP, 28.0, "How far from the limit");
    let words = "The line is the limit: the same bytes appended, a hash map, one read per get, and nothing else. \
                 Best first; bars beyond 2× are cut.";
    svg.text("dim", Anchor::Start, GAP, 46.0, words);
    let mut y = TOP;
    for row in rows {
        for (column, panel) in row.iter().enumerate() {
            let x = GAP + column as f64 * (PANEL_WIDTH + GAP);
            panel.draw(&mut svg, x, y);
        }
        y += height_of(row);
    }
    svg.finish()
}

/// One figure of all engines.
struct Panel {
    heading: &'static str,
    unit: &'static str,
    more_is_better: bool,
    limit: f64,
    /// Best first.
    bars: Vec<Bar>,
}

struct Bar {
    engine: String,
    figure: f64,
    ratio: f64,
}

impl Panel {
    fn of(results: &Results, shown: &(&str, &str, &'static str)) -> Option<Self> {
        let &(workload, metric, heading) = shown;
        let workload: &Workload = workload::named(workload)?;
        let metric: &Metric = workload.metrics.iter().find(|m| m.name == metric)?;
        let limit = results.median(workload, workload.reference, metric)?.figure;
        let mut bars: Vec<Bar> = results
            .engines(workload)
            .filter(|engine| *engine != workload.reference)
            .filter_map(|engine| {
                Some(Bar {
                    engine: engine.to_owned(),
                    figure: results.median(workload, engine, metric)?.figure,
                    ratio: results.over_reference(workload, engine, metric)?.figure,
                })
            })
            .collect();
        bars.sort_by(|one, other| one.ratio.total_cmp(&other.ratio));
        if metric.more_is_better {
            bars.reverse();
        }
        Some(Self {
            heading,
            unit: metric.unit,
            more_is_better: metric.more_is_better,
            limit,
            bars,
        })
    }

    fn draw(&self, svg: &mut Svg, x: f64, y: f64) {
        let longest = self.bars.iter().map(|bar| bar.ratio).fold(0.0, f64::max);
        let scale = BARS_WIDTH / longest.clamp(RATIO_MIN, RATIO_MAX);
        let unit = match (self.unit, self.more_is_better) {
            ("x", _) => "over the bytes of keys and values, shorter is better".to_owned(),
            (unit, true) => format!("{unit}, longer is better"),
            (unit, false) => format!("{unit}, shorter is better"),
        };
        svg.text("head", Anchor::Start, x, y + 12.0, self.heading);
        svg.text("dim small", Anchor::Start, x, y + 26.0, &unit);
        let limit = format!("limit {}", short(self.limit));
        svg.text(
            "dim small num",
            Anchor::End,
            x + FIGURES_END,
            y + 12.0,
            &limit,
        );
        let top = y + HEAD;
        for (number, bar) in self.bars.iter().enumerate() {
            bar.draw(svg, x, top + number as f64 * ROW, scale);
        }
        let (mark, bottom) = (
            x + BARS_AT + scale,
            top + self.bars.len() as f64 * ROW - 2.0,
        );
        svg.line("mark", (mark, top - 3.0), (mark, bottom));
    }
}

impl Bar {
    fn draw(&self, svg: &mut Svg, x: f64, y: f64, scale: f64) {
        let class = class(&self.engine);
        let base = y + BAR - 1.0;
        let width = (self.ratio * scale).clamp(0.75, BARS_WIDTH);
        let weight = if class == "own" { "own strong" } else { class };
        let name = format!(
            "small {}",
            if class == "peer" || class == "limit" {
                ""
            } else {
                weight
            }
        );
        svg.text(
            name.trim(),
            Anchor::End,
            x + BARS_AT - 6.0,
            base,
            &self.engine,
        );
        svg.rect(class, x + BARS_AT, y, width, BAR);
        let ratio = match self.ratio {
            ratio if ratio >= 10.0 => format!("{ratio:.0}×"),
            ratio => format!("{ratio:.2}×"),
        };
        svg.text("small num", Anchor::End, x + RATIOS_END, base, &ratio);
        svg.text(
            "dim small num",
            Anchor::End,
            x + FIGURES_END,
            base,
            &short(self.figure),
        );
    }
}
