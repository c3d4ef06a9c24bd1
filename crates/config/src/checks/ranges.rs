//! Ranges, and whether services keep to theirs.

use super::{Check, Index};
use crate::{
    declared::Range,
    finding::{Finding, Findings},
    rule::RuleId,
};

/// Internal ports outside of the range that the service names.
pub(super) struct OutsideRange;

impl Check for OutsideRange {
    fn rule(&self) -> RuleId {
        RuleId::OutsideRange
    }

    fn check(&self, index: &Index<'_>, findings: &mut Findings) {
        for service in &index.declared.services {
            let (Some(ports), Some(name)) = (service.ports, &service.range) else { continue };
            let Some(range) = index.range(name) else { continue };
            if range.ports.contains(ports.first) && range.ports.contains(ports.last) {
                continue;
            }
            let (word, verb) = if ports.first == ports.last { ("port", "is") } else { ("ports", "are") };
            let message = format!(
                "{word} {} of service `{}` {verb} not within range `{}` ({})",
                *ports, *service.name, **name, *range.ports
            );
            let finding = Finding::new(self.rule(), ports.span, message)
                .label(format!("expected within {}", *range.ports))
                .related(range.ports.span, "the range");
            findings.push(finding);
        }
    }
}

/// Two ranges with numbers in common: an allocated port would belong to both.
pub(super) struct RangeOverlap;

impl Check for RangeOverlap {
    fn rule(&self) -> RuleId {
        RuleId::RangeOverlap
    }

    fn check(&self, index: &Index<'_>, findings: &mut Findings) {
        let mut ranges: Vec<&Range> = index.declared.ranges.iter().collect();
        ranges.sort_by_key(|range| (range.ports.first, range.ports.span));
        let mut reaching_furthest: Option<&Range> = None;
        for range in ranges {
            let before = reaching_furthest.filter(|before| before.ports.last >= range.ports.first);
            if let Some(before) = before {
                // The one that was written later is the one to report.
                let (first, second) =
                    if before.ports.span < range.ports.span { (before, range) } else { (range, before) };
                let message = format!(
                    "range `{}` ({}) overlaps range `{}` ({})",
                    *second.name, *second.ports, *first.name, *first.ports
                );
                let finding = Finding::new(self.rule(), second.ports.span, message)
                    .related(first.ports.span, "has some of the same numbers");
                findings.push(finding);
            }
            if reaching_furthest.is_none_or(|furthest| furthest.ports.last < range.ports.last) {
                reaching_furthest = Some(range);
            }
        }
    }
}
