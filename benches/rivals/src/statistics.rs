//! What sums up many figures.

/// The figure in the middle. Of an even number of figures, the mean of the two in the middle.
pub(crate) fn median(figures: &[f64]) -> Option<f64> {
    let sorted = sorted(figures);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        length if length % 2 == 1 => Some(sorted[middle]),
        _ => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
    }
}

/// The percentile by the nearest rank: the least figure that so many of a hundred do not exceed.
pub(crate) fn percentile(figures: &[f64], percent: f64) -> Option<f64> {
    let sorted = sorted(figures);
    let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

fn sorted(figures: &[f64]) -> Vec<f64> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[5.0]), Some(5.0));
        assert_eq!(median(&[9.0, 1.0, 5.0]), Some(5.0));
        assert_eq!(median(&[9.0, 1.0, 5.0, 6.0]), Some(5.5));
    }

    #[test]
    fn one_of_a_hundred_is_above_the_99th_percentile() {
        let figures: Vec<f64> = (1..=1_000).rev().map(f64::from).collect();
        assert_eq!(percentile(&figures, 99.0), Some(990.0));
        assert_eq!(percentile(&figures[..1], 99.0), Some(1_000.0));
        assert_eq!(percentile(&figures, 0.0), Some(1.0));
        assert_eq!(percentile(&figures, 100.0), Some(1_000.0));
        assert_eq!(percentile(&[], 99.0), None);
    }
}
