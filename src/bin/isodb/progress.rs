//! A progress bar on stderr, for work that takes more than a second and a person who waits for it.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::context::Context;

/// The bar, shown once a second has passed.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    start: Instant,
    noun: &'static str,
}

impl Progress {
    /// A bar that counts these.
    pub(crate) fn new(context: &Context, noun: &'static str) -> Progress {
        let wanted = !context.is_quiet() && std::io::stderr().is_terminal();
        let bar = wanted.then(|| ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()));
        Progress { bar, start: Instant::now(), noun }
    }

    /// So many are done, of so many if that is known.
    pub(crate) fn set(&mut self, done: u64, total: Option<u64>) {
        let Some(bar) = &self.bar else { return };
        if bar.is_hidden() && self.start.elapsed() > Duration::from_secs(1) {
            let style = match total {
                Some(_) => format!("{{bar:30}} {{human_pos}}/{{human_len}} {}, {{per_sec}}, {{eta}} left", self.noun),
                None => format!("{{spinner}} {{human_pos}} {}, {{per_sec}}", self.noun),
            };
            bar.set_style(ProgressStyle::with_template(&style).unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        if let Some(total) = total {
            bar.set_length(total);
        }
        bar.set_position(done);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
