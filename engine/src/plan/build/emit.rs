//! `table.exec.emit.…`: windows of `GROUP BY TUMBLE(…)` and HOP that tell what they have before and
//! after they are over.
//!
//! Source: `WindowEmitStrategy` of Flink 2.3.

use std::fmt;

use super::GraphBuilder;
use crate::operators::window::Firing;
use crate::plan::window::properties::WindowProperties;

/// When group windows tell what they have, beside their end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmitStrategy {
    /// The delay of firing before the end, none if they do not; 0 for every row.
    pub early_ms: Option<i64>,
    /// The same after the end.
    pub late_ms: Option<i64>,
    /// For so long after the end late rows count.
    pub lateness_ms: i64,
}

impl fmt::Display for EmitStrategy {
    /// As EXPLAIN shows it: `early no delay, late delay 1000 millisecond`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (name, delay_ms) in [("early", self.early_ms), ("late", self.late_ms)] {
            match delay_ms {
                None => continue,
                Some(0) => write!(f, "{separator}{name} no delay")?,
                Some(delay_ms) => write!(f, "{separator}{name} delay {delay_ms} millisecond")?,
            }
            separator = ", ";
        }
        Ok(())
    }
}

impl GraphBuilder {
    /// When group windows tell what they have, if not only at their end.
    pub fn set_emit(&mut self, emit: Option<EmitStrategy>) {
        self.emit = emit;
    }

    /// When these windows tell what they have; none if only at their end.
    pub(super) fn firing(&self, windows: &WindowProperties) -> Option<Firing> {
        let emit = self.emit.filter(|_| windows.is_group)?;
        // By the clock nothing is late.
        let late_ms = emit.late_ms.filter(|_| !windows.is_proctime);
        (emit.early_ms.is_some() || late_ms.is_some()).then_some(Firing {
            early_ms: emit.early_ms,
            late_ms,
            lateness_ms: late_ms.map_or(0, |_| emit.lateness_ms),
            emission: self.options.emission,
        })
    }
}
