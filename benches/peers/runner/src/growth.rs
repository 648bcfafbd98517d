//! Time and memory of atrest as the work grows: growth.json, a table, and two charts of six panels.

use std::error::Error;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use plotters::prelude::*;
use serde::{Deserialize, Serialize};

use crate::chart::{COLOURS, Drawn, GRID, svg, text_style};
use crate::programs;
use crate::results::{Machine, machine, median, size_name};

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Growth {
    machine: Machine,
    cases: Vec<Case>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Case {
    name: String,
    unit: String,
    grows: bool,
    points: Vec<Point>,
}

/// What a number of units took: the median of the rounds, and the most heap that was in use at one time.
#[derive(Debug, Deserialize, Serialize)]
struct Point {
    number: u64,
    seconds: f64,
    peak_heap: u64,
}

/// Measures each case at each of its numbers, up to `most`, in processes of their own.
pub(crate) fn measure(home: &Path, rounds: usize, most: Option<u64>, built: bool) -> Result<Growth, Box<dyn Error>> {
    let program = programs::build_package(home, "growth", built)?;
    let list = String::from_utf8(Command::new(&program).arg("--list").output()?.stdout)?;
    let mut cases = Vec::new();
    for line in list.lines() {
        let [name, unit, grows, numbers] = line.split('\t').collect::<Vec<_>>()[..] else {
            return Err("not a case".into());
        };
        let mut points = Vec::new();
        for number in numbers.split(',') {
            if most.is_some_and(|most| number.parse::<u64>().is_ok_and(|number| number > most)) {
                continue;
            }
            eprintln!("{name}: {number} {unit}");
            let mut measured = Vec::new();
            for _ in 0..rounds {
                let output = Command::new(&program).args([name, number]).output()?;
                if !output.status.success() {
                    return Err(format!("{name}, {number}: {}", String::from_utf8_lossy(&output.stderr)).into());
                }
                measured.push(serde_json::from_slice::<Point>(&output.stdout)?);
            }
            points.push(Point {
                number: number.parse()?,
                seconds: median(measured.iter().map(|point| point.seconds)),
                peak_heap: measured.iter().map(|point| point.peak_heap).max().unwrap_or_default(),
            });
        }
        cases.push(Case { name: name.to_owned(), unit: unit.to_owned(), grows: grows.parse()?, points });
    }
    Ok(Growth { machine: machine(), cases })
}

pub(crate) fn markdown(growth: &Growth) -> String {
    let mut text = growth.machine.sentence() + "\n\n| | | time | for each | heap at most |\n|---|---|---|---|---|\n";
    for case in &growth.cases {
        for (row, point) in case.points.iter().enumerate() {
            let name = if row == 0 { &case.name } else { "" };
            let (scale, unit) = match case.unit.as_str() {
                "bytes" => ((1 << 20) as f64, "MiB"),
                unit => (1.0, unit.trim_end_matches('s')),
            };
            let units = point.number as f64 / scale;
            // What a piece of a unit takes is what every object takes.
            let each =
                (case.grows && units >= 1.0).then(|| format!("{} for each {unit}", duration(point.seconds / units)));
            let line = writeln!(
                text,
                "| {name} | {} | {} | {} | {} KiB |",
                case.amount(point.number),
                duration(point.seconds),
                each.unwrap_or_else(|| "–".to_owned()),
                point.peak_heap.div_ceil(1 << 10),
            );
            line.expect("a String takes all");
        }
    }
    text.push_str("\n![Time](charts/growth-time.svg)\n\n![Heap](charts/growth-heap.svg)\n");
    text
}

impl Case {
    fn amount(&self, number: u64) -> String {
        match self.unit.as_str() {
            "bytes" => size_name(number as usize),
            unit if number == 1 => format!("1 {}", unit.trim_end_matches('s')),
            unit => format!("{number} {unit}"),
        }
    }
}

fn duration(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 1e-6 => format!("{:.0} ns", seconds * 1e9),
        seconds if seconds < 1e-3 => format!("{:.1} µs", seconds * 1e6),
        seconds if seconds < 1.0 => format!("{:.1} ms", seconds * 1e3),
        seconds => format!("{seconds:.1} s"),
    }
}

pub(crate) fn draw_all(folder: &Path, growth: &Growth) -> Drawn {
    std::fs::create_dir_all(folder)?;
    panels(&folder.join("growth-time.svg"), growth, "time", |point| point.seconds, short_duration)?;
    panels(&folder.join("growth-heap.svg"), growth, "bytes of heap", |point| point.peak_heap as f64, power)
}

/// One panel for each case: the values over the numbers, both in powers of ten.
fn panels(file: &Path, growth: &Growth, unit: &str, value: fn(&Point) -> f64, label: fn(f64) -> String) -> Drawn {
    let rows = growth.cases.len().div_ceil(2);
    svg(file, 270 * u32::try_from(rows)?, |area| {
        for (case, area) in growth.cases.iter().zip(area.split_evenly((rows, 2))) {
            // Zero has no place on a scale of powers: it stands at one.
            let points = case.points.iter().map(|point| (point.number.max(1) as f64, value(point).max(1e-7)));
            let points: Vec<(f64, f64)> = points.collect();
            let low = points.iter().fold(f64::MAX, |low, (_, value)| low.min(*value));
            let high = points.iter().fold(0.0, |high: f64, (_, value)| high.max(*value));
            let last = points.iter().fold(1.0, |last: f64, (number, _)| last.max(*number));
            let mut chart = ChartBuilder::on(&area)
                .caption(&case.name, text_style(16))
                .margin(10)
                .x_label_area_size(42)
                .y_label_area_size(62)
                .build_cartesian_2d((1.0..last * 2.0).log_scale(), (low / 10.0..high * 10.0).log_scale())?;
            chart
                .configure_mesh()
                .light_line_style(TRANSPARENT)
                .bold_line_style(GRID)
                .axis_style(GRID)
                .label_style(text_style(12))
                .axis_desc_style(text_style(13))
                .x_labels(6)
                .y_labels(6)
                .x_label_formatter(&|number| power(*number))
                .y_label_formatter(&|value| label(*value))
                .x_desc(&case.unit)
                .y_desc(unit)
                .draw()?;
            chart.draw_series(points.iter().map(|point| Circle::new(*point, 4, COLOURS[0].filled())))?;
            chart.draw_series(LineSeries::new(points, COLOURS[0].stroke_width(3)))?;
        }
        Ok(())
    })
}

/// `10 µs`, `1 ms`: a power of ten.
fn short_duration(seconds: f64) -> String {
    let units = [(1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")];
    let unit = units.into_iter().find(|(unit, _)| seconds >= unit * 0.999);
    unit.map_or_else(String::new, |(unit, name)| format!("{:.0} {name}", seconds / unit))
}

/// `1`, `10k`, `1M`, `10G`.
fn power(value: f64) -> String {
    let units = [(1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, "")];
    let unit = units.into_iter().find(|(unit, _)| value >= unit * 0.999);
    unit.map_or_else(String::new, |(unit, name)| format!("{:.0}{name}", value / unit))
}
