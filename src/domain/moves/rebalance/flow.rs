//! Maximum flow through a network: Dinic's algorithm (1970), with fractional amounts.

use std::collections::VecDeque;

/// Smaller amounts count as rounding errors.
const NOTHING: f64 = 1e-9;

/// A flow network to which edges can be added while it carries flow.
#[derive(Debug, Default)]
pub(super) struct Network {
    /// For each node, its edges in the order in which they are tried.
    leaving: Vec<Vec<usize>>,
    /// Edge `n ^ 1` is the reverse of edge `n`.
    edges: Vec<Edge>,
}

#[derive(Debug)]
struct Edge {
    to: usize,
    left: f64,
}

impl Network {
    pub(super) fn node(&mut self) -> usize {
        self.leaving.push(Vec::new());
        self.leaving.len() - 1
    }

    /// Adds an edge with this capacity and returns its index.
    pub(super) fn edge(&mut self, from: usize, to: usize, takes: f64) -> usize {
        let number = self.edges.len();
        self.edges.push(Edge { to, left: takes });
        self.edges.push(Edge {
            to: from,
            left: 0.0,
        });
        self.leaving[from].push(number);
        self.leaving[to].push(number + 1);
        number
    }

    /// Raises the capacity of an edge.
    pub(super) fn widen(&mut self, edge: usize, by: f64) {
        self.edges[edge].left += by;
    }

    /// The flow through an edge.
    pub(super) fn flow(&self, edge: usize) -> f64 {
        self.edges[edge ^ 1].left
    }

    /// Adds the maximum flow from `source` to `sink` and returns the amount added. Among paths of
    /// equal length, edges added first are tried first.
    pub(super) fn fill(&mut self, source: usize, sink: usize) -> f64 {
        let mut sent = 0.0;
        while let Some(depths) = self.depths(source, sink) {
            sent += self.fill_shortest(source, sink, &depths);
        }
        sent
    }

    /// The distance of each node from `source`; `None` if `sink` cannot be reached.
    fn depths(&self, source: usize, sink: usize) -> Option<Vec<usize>> {
        let mut depths = vec![usize::MAX; self.leaving.len()];
        depths[source] = 0;
        let mut queue = VecDeque::from([source]);
        while let Some(node) = queue.pop_front() {
            for &number in &self.leaving[node] {
                let edge = &self.edges[number];
                if edge.left > NOTHING && depths[edge.to] == usize::MAX {
                    depths[edge.to] = depths[node] + 1;
                    queue.push_back(edge.to);
                }
            }
        }
        (depths[sink] < usize::MAX).then_some(depths)
    }

    /// Fills every shortest path.
    fn fill_shortest(&mut self, source: usize, sink: usize, depths: &[usize]) -> f64 {
        let mut tried = vec![0; self.leaving.len()];
        let mut way: Vec<usize> = Vec::new();
        let mut node = source;
        let mut sent = 0.0;
        loop {
            if node == sink {
                let narrowest = way.iter().map(|&edge| self.edges[edge].left);
                let amount = narrowest.fold(f64::INFINITY, f64::min);
                for &edge in &way {
                    self.edges[edge].left -= amount;
                    self.edges[edge ^ 1].left += amount;
                }
                sent += amount;
                way.clear();
                node = source;
                continue;
            }
            let next = self.leaving[node][tried[node]..].iter().position(|&edge| {
                let Edge { to, left } = self.edges[edge];
                left > NOTHING && depths[to] == depths[node] + 1
            });
            if let Some(further) = next {
                tried[node] += further;
                let edge = self.leaving[node][tried[node]];
                way.push(edge);
                node = self.edges[edge].to;
            } else if let Some(edge) = way.pop() {
                // A dead end: this edge is not tried again.
                node = self.edges[edge ^ 1].to;
                tried[node] += 1;
            } else {
                return sent;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_makes_way_for_more() {
        // 0 → 2, 3; 2 → 4, 5; 3 → 4 only; 4, 5 → 1. In order of insertion, 2 fills 4 first.
        let mut network = Network::default();
        for _ in 0..6 {
            network.node();
        }
        network.edge(0, 2, 1.0);
        let late = network.edge(0, 3, 0.0);
        network.edge(2, 4, 9.0);
        let detour = network.edge(2, 5, 9.0);
        network.edge(3, 4, 9.0);
        network.edge(4, 1, 1.0);
        network.edge(5, 1, 0.75);
        assert!((network.fill(0, 1) - 1.0).abs() < 1e-12);
        assert!(network.flow(detour).abs() < 1e-12);
        network.widen(late, 1.0);
        assert!((network.fill(0, 1) - 0.75).abs() < 1e-12);
        assert!((network.flow(detour) - 0.75).abs() < 1e-12);
        assert!((network.flow(late) - 0.75).abs() < 1e-12);
    }
}
