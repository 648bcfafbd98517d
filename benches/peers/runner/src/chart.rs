//! The charts, as SVG that a reader of a light or a dark page can read.

use std::error::Error;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use crate::results::{Measurement, Results, size_name};

const WIDTH: u32 = 860;
const PAPER: RGBColor = RGBColor(0xff, 0xff, 0xff);
const INK: RGBColor = RGBColor(0x1f, 0x23, 0x28);
pub(crate) const GRID: RGBColor = RGBColor(0xd8, 0xde, 0xe4);
/// Colours that differ for the colour-blind as well, on both papers; the first is ours.
pub(crate) const COLOURS: [RGBColor; 9] = [
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x3d, 0x8b, 0xd4),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0xb5, 0x89, 0x00),
    RGBColor(0x84, 0x6c, 0xd0),
    RGBColor(0x80, 0x86, 0x8c),
    RGBColor(0x2a, 0xa1, 0xb3),
    RGBColor(0xa0, 0x52, 0x2d),
];
/// What a dark page gets instead: the whole chart has its own paper, so that it fits whatever lies below it.
const DARK: [(RGBColor, &str); 3] = [(PAPER, "#0d1117"), (INK, "#e6edf3"), (GRID, "#30363d")];

/// The subjects of the charts over sizes of objects, and against peers.
const PEERS: [&str; 10] = [
    "atrest/sse-s3/aws-lc",
    "bare/aws-lc",
    "sio",
    "dryoc",
    "bare/rust-crypto",
    "aead-stream",
    "age",
    "tink",
    "orion",
    "aws-esdk",
];

/// Peers that use the caller's key for every object, and keep no envelope.
const ONE_KEY: [&str; 4] = ["aead-stream", "dryoc", "orion", "sio"];

pub(crate) type Drawing<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(crate) type Drawn = Result<(), Box<dyn Error>>;

pub(crate) fn draw_all(folder: &Path, results: &Results) -> Drawn {
    std::fs::create_dir_all(folder)?;
    let sizes = results.sizes();
    let (Some(&small), Some(&large)) = (sizes.first(), sizes.last()) else { return Err("no results to draw".into()) };
    let peers: Vec<&str> = PEERS.into_iter().filter(|name| results.subjects().contains(name)).collect();
    let small_peers: Vec<&str> = peers.iter().copied().filter(|name| !name.starts_with("bare/")).collect();
    let modes = results.subjects().into_iter();
    let modes: Vec<&str> = modes.filter(|name| name.starts_with("atrest/") || name.starts_with("bare/")).collect();
    let (small_name, large_name) = (size_name(small), size_name(large));
    let thousands = |measurement: &Measurement| 1e-3 / measurement.seconds_per_object();

    let rate = Measurement::gigabytes_per_second;
    let title = format!("One object of {large_name}, from memory, on one thread");
    bars(&folder.join("peers.svg"), results, &title, "GB/s", &peers, large, &rate)?;
    let title = format!("Objects of {small_name}, on one thread");
    let unit = "thousand objects a second; * with one key for all objects, and no envelope";
    bars(&folder.join("small.svg"), results, &title, unit, &small_peers, small, &thousands)?;
    let title = format!("One object of {large_name} by mode and implementation, on one thread");
    bars(&folder.join("modes.svg"), results, &title, "GB/s", &modes, large, &rate)?;
    for job in ["encrypt", "decrypt"] {
        over_sizes(&folder.join(format!("sizes-{job}.svg")), results, job, &peers)?;
    }
    if results.threads().len() > 1 {
        over_threads(&folder.join("threads.svg"), results, large)?;
    }
    Ok(())
}

/// Draws into an SVG and gives it the colours of a dark page.
pub(crate) fn svg(file: &Path, height: u32, draw: impl FnOnce(&Drawing<'_>) -> Drawn) -> Drawn {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, (WIDTH, height)).into_drawing_area();
        area.fill(&PAPER)?;
        draw(&area)?;
        area.present()?;
    }
    let rule = |(RGBColor(red, green, blue), dark): (RGBColor, &str)| {
        let light = format!("#{red:02X}{green:02X}{blue:02X}");
        format!("[fill=\"{light}\"]{{fill:{dark}}}[stroke=\"{light}\"]{{stroke:{dark}}}")
    };
    let rules: String = DARK.into_iter().map(rule).collect();
    let style = format!("<style>@media (prefers-color-scheme:dark){{{rules}}}</style>");
    let start = text.find('>').ok_or("not an SVG")? + 1;
    text.insert_str(start, &style);
    text.push('\n');
    Ok(std::fs::write(file, text)?)
}

pub(crate) fn text_style(size: u32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK)
}

/// One bar for each subject and direction, with its value at the end; the fastest subject comes first.
fn bars(
    file: &Path,
    results: &Results,
    title: &str,
    unit: &str,
    subjects: &[&str],
    size: usize,
    value: &dyn Fn(&Measurement) -> f64,
) -> Drawn {
    let mut subjects = subjects.to_vec();
    let encrypt = |subject| results.find(subject, "encrypt", size, 1).map_or(0.0, value);
    subjects.sort_by(|one, other| encrypt(other).total_cmp(&encrypt(one)));
    let values = |job| -> Vec<Option<f64>> {
        subjects.iter().map(|subject| results.find(subject, job, size, 1).map(value)).collect()
    };
    let series = [("encrypt", values("encrypt"), COLOURS[0]), ("decrypt", values("decrypt"), COLOURS[1])];
    let most = series.iter().flat_map(|(_, values, _)| values).flatten().fold(0.0, |most: f64, &value| most.max(value));
    let count = subjects.len();
    svg(file, 110 + 46 * u32::try_from(count)?, |area| {
        let mut chart = ChartBuilder::on(area)
            .caption(title, text_style(19))
            .margin(12)
            .x_label_area_size(46)
            .y_label_area_size(260)
            .build_cartesian_2d(0.0..most * 1.12, 0.0..count as f64)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .disable_y_axis()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(GRID)
            .label_style(text_style(14))
            .axis_desc_style(text_style(15))
            .x_label_formatter(&|value| format!("{value}"))
            .x_desc(unit)
            .draw()?;
        for (row, subject) in subjects.iter().enumerate() {
            let (left, _) = chart.backend_coord(&(0.0, 0.0));
            let (_, middle) = chart.backend_coord(&(0.0, (count - row) as f64 - 0.5));
            let style = text_style(15).pos(anchor(HPos::Right));
            let mark = if size < 1 << 20 && ONE_KEY.contains(subject) { " *" } else { "" };
            area.draw(&Text::new(results.titled(subject) + mark, (left - 8, middle), style))?;
        }
        for (at, (job, values, colour)) in series.iter().enumerate() {
            let rectangle = |row: usize, value: f64| {
                let top = (count - row) as f64 - 0.12 - 0.38 * at as f64;
                Rectangle::new([(0.0, top), (value, top - 0.36)], colour.filled())
            };
            let rows = values.iter().enumerate().filter_map(|(row, value)| value.map(|value| (row, value)));
            chart
                .draw_series(rows.clone().map(|(row, value)| rectangle(row, value)))?
                .label(*job)
                .legend(|(x, y)| Rectangle::new([(x, y - 5), (x + 14, y + 5)], colour.filled()));
            for (row, value) in rows {
                let (end, middle) = chart.backend_coord(&(value, (count - row) as f64 - 0.3 - 0.38 * at as f64));
                area.draw(&Text::new(short(value), (end + 5, middle), text_style(13).pos(anchor(HPos::Left))))?;
            }
        }
        legend(&mut chart, SeriesLabelPosition::LowerRight)
    })
}

/// The throughput of one direction over the sizes of objects, both in powers.
fn over_sizes(file: &Path, results: &Results, job: &str, subjects: &[&str]) -> Drawn {
    let sizes = results.sizes();
    let lines = subjects.iter().map(|subject| {
        let found = sizes.iter().filter_map(|&size| results.find(subject, job, size, 1));
        let points = found.map(|measurement| (measurement.size as f64, measurement.gigabytes_per_second()));
        (results.titled(subject), points.collect())
    });
    let lines: Vec<(String, Vec<(f64, f64)>)> = lines.collect();
    let all: Vec<f64> = lines.iter().flat_map(|(_, points)| points.iter().map(|(_, rate)| *rate)).collect();
    let (least, most) = all.iter().fold((f64::MAX, 0.0_f64), |(low, high), rate| (low.min(*rate), high.max(*rate)));
    let (first, last) = (sizes[0] as f64, sizes[sizes.len() - 1] as f64);
    svg(file, 520, |area| {
        let (area, side) = area.split_horizontally(WIDTH - 190);
        let mut chart = ChartBuilder::on(&area)
            .caption(format!("Throughput of {job}ing by size of the object, one thread"), text_style(19))
            .margin(12)
            .x_label_area_size(46)
            .y_label_area_size(64)
            .build_cartesian_2d((first..last * 1.2).log_scale(), (least * 0.8..most * 1.4).log_scale())?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(GRID)
            .label_style(text_style(14))
            .axis_desc_style(text_style(15))
            .disable_x_axis()
            .disable_x_mesh()
            .y_label_formatter(&|rate| short(*rate))
            .y_desc("GB/s")
            .draw()?;
        for &size in &sizes {
            let (x, y) = chart.backend_coord(&(size as f64, least * 0.8));
            area.draw(&Text::new(size_name(size), (x, y + 12), text_style(14).pos(anchor(HPos::Center))))?;
        }
        let (x, y) = chart.backend_coord(&((first * last).sqrt(), least * 0.8));
        area.draw(&Text::new("size of the object", (x, y + 34), text_style(15).pos(anchor(HPos::Center))))?;
        // Ours comes last, above the others.
        for (at, (name, points)) in lines.iter().enumerate().rev() {
            let style = line_style(at);
            chart.draw_series(LineSeries::new(points.iter().copied(), style))?;
            chart.draw_series(points.iter().map(|point| Circle::new(*point, 3, style.color.filled())))?;
            let y = 60 + 26 * i32::try_from(at)?;
            side.draw(&PathElement::new(vec![(0, y), (20, y)], style))?;
            side.draw(&Text::new(name.clone(), (26, y), text_style(13).pos(anchor(HPos::Left))))?;
        }
        Ok(())
    })
}

/// The throughput of both directions over the number of threads.
fn over_threads(file: &Path, results: &Results, size: usize) -> Drawn {
    let threads = results.threads();
    let mut lines: Vec<(String, Vec<(f64, f64)>)> = Vec::new();
    for subject in results.subjects() {
        for job in ["encrypt", "decrypt"] {
            let found = threads.iter().filter_map(|&count| results.find(subject, job, size, count));
            let points: Vec<(f64, f64)> =
                found.map(|measurement| (measurement.threads as f64, measurement.gigabytes_per_second())).collect();
            if points.len() > 1 {
                lines.push((format!("{subject}, {job}"), points));
            }
        }
    }
    let most = lines.iter().flat_map(|(_, points)| points).fold(0.0, |most: f64, (_, rate)| most.max(*rate));
    let last = threads[threads.len() - 1] as f64;
    svg(file, 460, |area| {
        let mut chart = ChartBuilder::on(area)
            .caption(format!("One object of {} by number of threads", size_name(size)), text_style(19))
            .margin(12)
            .x_label_area_size(46)
            .y_label_area_size(64)
            .build_cartesian_2d(0.9..last + 0.1, 0.0..most * 1.15)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(GRID)
            .label_style(text_style(14))
            .axis_desc_style(text_style(15))
            .disable_x_mesh()
            .x_labels(threads.len())
            .x_label_formatter(&|count| if count.fract() == 0.0 { format!("{count}") } else { String::new() })
            .y_label_formatter(&|rate| format!("{rate}"))
            .x_desc("threads")
            .y_desc("GB/s")
            .draw()?;
        for (at, (name, points)) in lines.into_iter().enumerate() {
            let style = line_style(at);
            chart.draw_series(points.iter().map(|point| Circle::new(*point, 4, style.color.filled())))?;
            chart
                .draw_series(LineSeries::new(points, style))?
                .label(name)
                .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], style));
        }
        legend(&mut chart, SeriesLabelPosition::LowerRight)
    })
}

/// A colour of its own for each of the first lines; ours is the widest.
fn line_style(at: usize) -> ShapeStyle {
    let colour = COLOURS.get(at).copied().unwrap_or(INK);
    colour.stroke_width(if at == 0 { 4 } else { 2 })
}

fn legend<'chart, 'text: 'chart, X: Ranged, Y: Ranged>(
    chart: &mut ChartContext<'chart, SVGBackend<'text>, Cartesian2d<X, Y>>,
    position: SeriesLabelPosition,
) -> Drawn {
    let mut labels = chart.configure_series_labels();
    let labels = labels.position(position).background_style(PAPER).border_style(GRID).label_font(text_style(14));
    Ok(labels.margin(12).draw()?)
}

fn anchor(horizontal: HPos) -> plotters::style::text_anchor::Pos {
    plotters::style::text_anchor::Pos::new(horizontal, VPos::Center)
}

fn short(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 1.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}
