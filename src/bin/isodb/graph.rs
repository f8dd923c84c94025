//! The lines of `log --graph`.

use isodb::CommitId;
use renderdag::{Ancestor, GraphRowRenderer, Renderer};

/// Draws a history, commit by commit, children before parents.
pub(crate) struct Graph {
    renderer: Box<dyn Renderer<CommitId, Output = String>>,
}

impl Graph {
    pub(crate) fn new() -> Graph {
        let renderer = GraphRowRenderer::new().output().with_min_row_height(0).build_ascii();
        Graph { renderer: Box::new(renderer) }
    }

    /// The lines of one commit with the lines that lead on from it; `text` is what stands beside them.
    pub(crate) fn row(&mut self, id: CommitId, parents: &[CommitId], text: &str) -> String {
        let parents = parents.iter().map(|&parent| Ancestor::Parent(parent)).collect();
        self.renderer.next_row(id, parents, "*".into(), text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> CommitId {
        CommitId(isodb::Id::from_bytes([n; 32]))
    }

    #[test]
    fn a_merge_is_drawn() {
        let mut graph = Graph::new();
        let rows = [
            graph.row(id(4), &[id(2), id(3)], "merge"),
            graph.row(id(3), &[id(1)], "right"),
            graph.row(id(2), &[id(1)], "left"),
            graph.row(id(1), &[], "root"),
        ];
        let text = rows.concat();
        assert_eq!(text.matches('*').count(), 4, "{text}");
        assert!(text.lines().any(|line| line.contains("| *") || line.contains("|/") || line.contains("|\\")), "{text}");
    }
}
