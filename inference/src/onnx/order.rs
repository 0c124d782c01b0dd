//! The order in which nodes can run.

use std::collections::HashMap;

use super::attributes::Node;
use super::error::ReadError;

/// The nodes that `output` depends on, each after what it reads, as positions in `nodes`.
///
/// ONNX asks files to be in such an order; this does not rely on it. Where the file's order is
/// already right it is kept, as far as the nodes are needed at all.
pub(super) fn order(nodes: &[Node<'_>], output: &str) -> Result<Vec<usize>, ReadError> {
    let mut writers = HashMap::new();
    for (index, node) in nodes.iter().enumerate() {
        for value in node.outputs().iter().filter(|value| !value.is_empty()) {
            if writers.insert(value.as_str(), index).is_some() {
                return Err(ReadError::Duplicate { value: value.clone(), node: node.name.clone() });
            }
        }
    }
    let mut states = vec![State::New; nodes.len()];
    let mut done = Vec::new();
    let last = writers
        .get(output)
        .ok_or_else(|| ReadError::MissingOutput { output: output.to_owned() })?;
    visit(nodes, &writers, *last, &mut states, &mut done)?;

    let keeps_order = nodes.iter().enumerate().all(|(index, node)| {
        let reads_backward =
            |value: &String| writers.get(value.as_str()).is_none_or(|&writer| writer < index);
        states[index] == State::New || node.inputs().iter().all(reads_backward)
    });
    if keeps_order {
        done.sort_unstable();
    }
    Ok(done)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Open,
    Done,
}

/// Depth first from `root`, with a stack of our own: a file decides how deep the graph is.
fn visit(
    nodes: &[Node<'_>],
    writers: &HashMap<&str, usize>,
    root: usize,
    states: &mut [State],
    done: &mut Vec<usize>,
) -> Result<(), ReadError> {
    // Nodes from the root to where we are, each with the number of inputs already followed.
    let mut path = vec![(root, 0)];
    states[root] = State::Open;
    while let Some((node, followed)) = path.last_mut() {
        let Some(value) = nodes[*node].inputs().get(*followed) else {
            states[*node] = State::Done;
            done.push(*node);
            path.pop();
            continue;
        };
        *followed += 1;
        // A value that no node writes is an input or a constant, or an error for the reader.
        let Some(&writer) = writers.get(value.as_str()) else { continue };
        match states[writer] {
            State::Done => {}
            State::New => {
                states[writer] = State::Open;
                path.push((writer, 0));
            }
            State::Open => {
                let circle = path.iter().map(|&(node, _)| node).skip_while(|&node| node != writer);
                // The path leads from reader to writer; people follow the data.
                let mut names: Vec<_> =
                    circle.chain([writer]).map(|node| nodes[node].name.clone()).collect();
                names.reverse();
                return Err(ReadError::Cycle { nodes: names });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::proto::NodeProto;

    fn node(name: &str, inputs: &[&str], output: &str) -> NodeProto {
        NodeProto {
            name: name.to_owned(),
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            output: vec![output.to_owned()],
            ..NodeProto::default()
        }
    }

    fn order_of(nodes: &[NodeProto], output: &str) -> Result<Vec<usize>, ReadError> {
        order(&nodes.iter().map(Node::new).collect::<Vec<_>>(), output)
    }

    #[test]
    fn nodes_follow_what_they_read_and_dead_ones_are_left_out() {
        let nodes = [
            node("c", &["b"], "c"),
            node("dead", &["a"], "d"),
            node("b", &["a"], "b"),
            node("a", &["x"], "a"),
        ];
        assert_eq!(order_of(&nodes, "c").unwrap(), [3, 2, 0]);
    }

    #[test]
    fn an_order_that_works_is_kept() {
        let nodes = [
            node("a", &["x"], "a"),
            node("b", &["a"], "b"),
            node("c", &["a"], "c"),
            node("d", &["c", "b"], "d"),
        ];
        assert_eq!(order_of(&nodes, "d").unwrap(), [0, 1, 2, 3]);
    }

    #[test]
    fn a_circle_is_named() {
        let nodes = [node("a", &["b"], "a"), node("b", &["a"], "b"), node("c", &["b"], "c")];
        let error = order_of(&nodes, "c").unwrap_err().to_string();
        assert_eq!(error, "nodes wait for each other in a circle: b → a → b");
    }

    #[test]
    fn two_writers_of_one_value_are_refused() {
        let nodes = [node("a", &["x"], "a"), node("b", &["x"], "a")];
        assert!(matches!(order_of(&nodes, "a"), Err(ReadError::Duplicate { .. })));
        assert!(matches!(order_of(&nodes[..1], "z"), Err(ReadError::MissingOutput { .. })));
    }
}
