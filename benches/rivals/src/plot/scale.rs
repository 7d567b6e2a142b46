//! A logarithmic axis.

/// Maps figures from whole decades onto a stretch of the drawing.
#[derive(Clone, Copy)]
pub(super) struct Scale {
    decades: (f64, f64),
    stretch: (f64, f64),
}

impl Scale {
    /// An axis that has room for all of these figures.
    pub(super) fn around(figures: impl Iterator<Item = f64>, stretch: (f64, f64)) -> Self {
        let figures = figures.filter(|figure| *figure > 0.0);
        let (least, most) =
            figures.fold((f64::INFINITY, 0.0_f64), |(least, most), figure| (least.min(figure), most.max(figure)));
        if most == 0.0 {
            return Self { decades: (0.0, 1.0), stretch };
        }
        let begin = least.log10().floor();
        Self { decades: (begin, most.log10().ceil().max(begin + 1.0)), stretch }
    }

    pub(super) fn place(self, figure: f64) -> f64 {
        let (begin, end) = self.decades;
        let part = (figure.max(f64::MIN_POSITIVE).log10() - begin) / (end - begin);
        self.stretch.0 + part.clamp(0.0, 1.0) * (self.stretch.1 - self.stretch.0)
    }

    /// The figure that each decade begins with.
    pub(super) fn ticks(self) -> impl Iterator<Item = f64> {
        let (begin, end) = self.decades;
        (begin as i32..=end as i32).map(|decade| 10_f64.powi(decade))
    }
}

/// A decade of nanoseconds, or of bytes.
pub(super) fn unit(figure: f64, is_bytes: bool) -> String {
    let times = [(1e9, "s"), (1e6, "ms"), (1e3, "us"), (0.0, "ns")];
    let sizes = [(1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (0.0, "B")];
    let units = if is_bytes { sizes } else { times };
    let (unit, name) = units.into_iter().find(|(unit, _)| figure >= *unit).expect("all are above nothing");
    format!("{} {name}", figure / unit.max(1.0))
}

/// A decade of sessions.
pub(super) fn number(sessions: f64) -> String {
    match sessions {
        sessions if sessions >= 1e6 => format!("{} M", sessions / 1e6),
        sessions if sessions >= 1e3 => format!("{} k", sessions / 1e3),
        sessions => sessions.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_decade_is_as_long() {
        let scale = Scale::around([20.0, 4_000.0].into_iter(), (100.0, 400.0));
        assert_eq!(scale.ticks().collect::<Vec<_>>(), [10.0, 100.0, 1_000.0, 10_000.0]);
        assert_eq!(
            scale.ticks().map(|tick| scale.place(tick).round()).collect::<Vec<_>>(),
            [100.0, 200.0, 300.0, 400.0]
        );
    }

    #[test]
    fn decades_have_round_names() {
        assert_eq!([10.0, 1e3, 1e7, 1e10].map(|nanos| unit(nanos, false)), ["10 ns", "1 us", "10 ms", "10 s"]);
        assert_eq!([0.1, 100.0, 1e4].map(|bytes| unit(bytes, true)), ["0.1 B", "100 B", "10 kB"]);
        assert_eq!([100.0, 1e4, 1e7].map(number), ["100", "10 k", "10 M"]);
    }

    #[test]
    fn one_figure_has_an_axis_and_no_figure_too() {
        assert!(Scale::around([100.0].into_iter(), (0.0, 10.0)).place(100.0).is_finite());
        assert!(Scale::around([].into_iter(), (0.0, 10.0)).place(0.0).is_finite());
    }
}
