//! A workload's figures as a table that is also Markdown.

use crate::results::{Median, Results};
use crate::workload::{Metric, Workload};
use std::fmt::Write;

/// The table: medians and, in parentheses, what they are over the limit's in the same rounds.
pub fn of(results: &Results, workload: &Workload) -> String {
    let metrics: Vec<&Metric> = workload.metrics.iter().collect();
    let mut rows = vec![vec!["engine".to_owned()]];
    rows[0].extend(
        metrics
            .iter()
            .map(|metric| format!("{} ({})", metric.name, metric.unit)),
    );
    for engine in results.engines(workload) {
        let mut row = vec![engine.to_owned()];
        row.extend(
            metrics
                .iter()
                .map(|metric| cell(results, workload, engine, metric)),
        );
        rows.push(row);
    }
    format!("\n### {}\n\n{}", workload.title, aligned(&rows))
}

fn cell(results: &Results, workload: &Workload, engine: &str, metric: &Metric) -> String {
    let Some(median) = results.median(workload, engine, metric) else {
        return "–".to_owned();
    };
    let figure = figure(median, metric.unit);
    match results.over_limit(workload, engine, metric) {
        Some(over) if engine != "limit" => {
            format!("{figure} ({:.2}×{})", over.figure, mark(over))
        }
        _ => figure,
    }
}

fn figure(median: Median, unit: &str) -> String {
    let Median { figure, .. } = median;
    let mark = mark(median);
    match unit {
        "op/s" | "key/s" if figure >= 1e6 => format!("{:.2}M{mark}", figure / 1e6),
        "op/s" | "key/s" if figure >= 1e3 => format!("{:.0}k{mark}", figure / 1e3),
        _ if figure >= 100.0 => format!("{figure:.0}{mark}"),
        _ => format!("{figure:.2}{mark}"),
    }
}

fn mark(median: Median) -> &'static str {
    if median.is_spread { "~" } else { "" }
}

/// Columns padded to their widest cell; the first row is the heading.
fn aligned(rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    let mut table = String::new();
    for (number, row) in rows.iter().enumerate() {
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(table, "| {cell:<width$} ");
        }
        table.push_str("|\n");
        if number == 0 {
            for width in &widths {
                let _ = write!(table, "|{}", "-".repeat(width + 2));
            }
            table.push_str("|\n");
        }
    }
    table
}
