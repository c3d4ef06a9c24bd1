//! Writes metric families, whatever they are about.

use std::fmt;

use prometheus_client::{
    encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet},
    metrics::MetricType,
    registry::Unit,
};

use crate::metrics::{HistogramSnapshot, StatusCounts};

/// A label and its value, which the encoder escapes.
pub(super) type Label<'a> = (&'static str, &'a str);

/// The text being written, one family after the other.
pub(super) struct Page<'a> {
    encoder: DescriptorEncoder<'a>,
}

impl<'a> Page<'a> {
    pub(super) fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self { encoder }
    }

    /// A family of counters; the library appends `_total` to its name.
    pub(super) fn counters<'s>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (Vec<Label<'s>>, u64)>,
    ) -> fmt::Result {
        let mut family = self.family(name, help, None, MetricType::Counter)?;
        for (labels, value) in series {
            in_family(&mut family, &labels, |metric| metric.encode_counter::<NoLabelSet, _, f64>(&value, None))?;
        }
        Ok(())
    }

    /// A family of counters of what ended, one for each class of status.
    pub(super) fn finished<'s>(
        &mut self,
        name: &str,
        series: impl IntoIterator<Item = (Vec<Label<'s>>, &'s StatusCounts)>,
    ) -> fmt::Result {
        let help = "Requests and sessions that ended, by class of status; none without a response.";
        let classes = series.into_iter().flat_map(|(labels, counts)| {
            counts.iter().map(move |(class, count)| ([labels.clone(), vec![("status", *class)]].concat(), *count))
        });
        self.counters(name, help, classes)
    }

    /// A family of gauges.
    pub(super) fn gauges<'s>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (Vec<Label<'s>>, f64)>,
    ) -> fmt::Result {
        let mut family = self.family(name, help, None, MetricType::Gauge)?;
        for (labels, value) in series {
            in_family(&mut family, &labels, |metric| metric.encode_gauge(&value))?;
        }
        Ok(())
    }

    /// One gauge, absent if its value is not known.
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: Option<f64>) -> fmt::Result {
        match value {
            Some(value) => self.gauges(name, help, [(Vec::new(), value)]),
            None => Ok(()),
        }
    }

    /// One counter of seconds, absent if its value is not known.
    pub(super) fn seconds(&mut self, name: &str, help: &str, value: Option<f64>) -> fmt::Result {
        let Some(value) = value else { return Ok(()) };
        let mut family = self.family(name, help, Some(&Unit::Seconds), MetricType::Counter)?;
        family.encode_counter::<NoLabelSet, _, f64>(&value, None)
    }

    /// Labels that say what runs; the library appends `_info` to the name.
    pub(super) fn info(&mut self, name: &str, help: &str, labels: &[Label<'_>]) -> fmt::Result {
        self.family(name, help, None, MetricType::Info)?.encode_info(&labels)
    }

    /// A family of response time histograms; the library appends `_seconds` to its name.
    pub(super) fn response_times<'s>(
        &mut self,
        name: &str,
        series: impl IntoIterator<Item = (Vec<Label<'s>>, &'s HistogramSnapshot)>,
    ) -> fmt::Result {
        let help = "How long responses took, from the first byte of the request to the last of the response.";
        let mut family = self.family(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
        for (labels, histogram) in series {
            let buckets = histogram.with_infinity();
            in_family(&mut family, &labels, |metric| {
                metric.encode_histogram::<NoLabelSet>(histogram.sum_seconds, histogram.count, &buckets, None)
            })?;
        }
        Ok(())
    }

    fn family<'s>(
        &'s mut self,
        name: &'s str,
        help: &str,
        unit: Option<&'s Unit>,
        kind: MetricType,
    ) -> Result<MetricEncoder<'s>, fmt::Error> {
        self.encoder.encode_descriptor(name, help, unit, kind)
    }
}

/// One series of a family. Without labels there are no braces either.
fn in_family(
    family: &mut MetricEncoder<'_>,
    labels: &Vec<Label<'_>>,
    encode: impl FnOnce(&mut MetricEncoder<'_>) -> fmt::Result,
) -> fmt::Result {
    if labels.is_empty() { encode(family) } else { encode(&mut family.encode_family(labels)?) }
}
