//! A workload's figures as a table that is also Markdown.

use crate::clock::Clock;
use crate::results::{Median, Results};
use crate::workload::{Metric, Workload};
use std::fmt::Write;

/// Above this part of the time spent waiting for a processor, a table says so.
const WAITED_MAX: f64 = 0.02;

/// The table under its heading.
pub fn with_heading(results: &Results, workload: &Workload) -> String {
    format!(
        "\n### {}\n\n{}",
        workload.title,
        markdown(results, workload)
    )
}

/// The table: medians and, in parentheses, what they are over the reference's in the same rounds. What is a ratio already
/// is not put into another one.
pub fn markdown(results: &Results, workload: &Workload) -> String {
    let mut rows = vec![vec!["engine".to_owned()]];
    let heads = workload.metrics.iter();
    rows[0].extend(heads.map(|metric| format!("{} ({})", metric.name, metric.unit)));
    for engine in results.engines(workload) {
        let mut row = vec![engine.to_owned()];
        let metrics = workload.metrics.iter();
        row.extend(metrics.map(|metric| cell(results, workload, engine, metric)));
        rows.push(row);
    }
    let mut table = aligned(&rows);
    if results.clock == Clock::Processor {
        table.push_str("\nSingle threads were timed by the processor's clock.\n");
    }
    let waited = results.waited(workload);
    if waited > WAITED_MAX {
        let percent = waited * 100.0;
        let _ = write!(
            table,
            "\nThe machine was busy: a processor was waited for during {percent:.0} % of the time.\n"
        );
    }
    table
}

fn cell(results: &Results, workload: &Workload, engine: &str, metric: &Metric) -> String {
    let Some(median) = results.median(workload, engine, metric) else {
        return "–".to_owned();
    };
    let figure = figure(median, metric.unit);
    match results.over_reference(workload, engine, metric) {
        Some(over) if engine != workload.reference && metric.unit != "x" => {
            format!("{figure} ({:.2}×{})", over.figure, mark(over))
        }
        _ => figure,
    }
}

fn figure(median: Median, unit: &str) -> String {
    let Median { figure, .. } = median;
    let mark = mark(median);
    match unit {
        "op/s" | "key/s" if figure >= 1e9 => format!("{:.2}G{mark}", figure / 1e9),
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
