//! A progress bar on stderr, for work that takes more than a second and a person who waits for it.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::context::Context;

/// How often a bar that counts bytes is drawn anew at most.
const EVERY: Duration = Duration::from_millis(100);

/// The bar, shown once a second has passed.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    start: Instant,
    shown: Instant,
    noun: &'static str,
}

impl Progress {
    /// A bar that counts these.
    pub(crate) fn new(context: &Context, noun: &'static str) -> Progress {
        let wanted = !context.is_quiet() && std::io::stderr().is_terminal();
        let bar = wanted.then(|| ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()));
        Progress { bar, start: Instant::now(), shown: Instant::now(), noun }
    }

    /// So many are done, of so many if that is known.
    pub(crate) fn set(&mut self, done: u64, total: Option<u64>) {
        let Some(bar) = &self.bar else { return };
        self.show(bar, total, |noun| match total {
            Some(_) => format!("{{bar:30}} {{human_pos}}/{{human_len}} {noun}, {{per_sec}}, {{eta}} left"),
            None => format!("{{spinner}} {{human_pos}} {noun}, {{per_sec}}"),
        });
        bar.set_position(done);
    }

    /// So many are done; the time that is left is told by how many bytes that took, of so many if that is known.
    pub(crate) fn set_bytes(&mut self, done: u64, bytes: u64, total: Option<u64>) {
        let Some(bar) = &self.bar else { return };
        let now = Instant::now();
        if now.duration_since(self.shown) < EVERY {
            return;
        }
        self.shown = now;
        self.show(bar, total, |_| match total {
            Some(_) => "{bar:30} {msg}, {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left".into(),
            None => "{spinner} {msg}, {bytes}, {bytes_per_sec}".into(),
        });
        let rate = done as f64 / now.duration_since(self.start).as_secs_f64();
        bar.set_message(format!("{} {}, {rate:.0}/s", HumanCount(done), self.noun));
        bar.set_position(bytes);
    }

    fn show(&self, bar: &ProgressBar, total: Option<u64>, style: impl FnOnce(&str) -> String) {
        if bar.is_hidden() && self.start.elapsed() > Duration::from_secs(1) {
            let style = ProgressStyle::with_template(&style(self.noun));
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        if let Some(total) = total {
            bar.set_length(total);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
