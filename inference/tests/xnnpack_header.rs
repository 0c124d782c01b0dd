//! The build refuses an `xnnpack.h` whose functions are not those declared here, and says why.

#[path = "../build/prototypes.rs"]
mod prototypes;

use prototypes::difference;

const DECLARATIONS: &str = "
/// `xnn_binary_add` of `enum xnn_binary_operator`.
pub const BINARY_ADD: c_int = 0;

library! {
    // A comment; with (a semicolon).
    xnn_create_softmax(flags: u32, operator: *mut *mut XnnOperator);
    xnn_setup_softmax(
        operator: *mut XnnOperator, workspace: *mut c_void,
        input: *const f32, output: *mut f32, rows: *const usize,
    );
}";

const HEADER: &str = "
enum xnn_binary_operator {
  xnn_binary_invalid = -1,
  xnn_binary_add,  // the first, (really)
};

enum xnn_status xnn_create_softmax(
  uint32_t flags,  // of which there are none, yet
  xnn_operator_t* softmax_op_out);

enum xnn_status xnn_setup_softmax(
    xnn_operator_t op, void* workspace, const float* input, float* output, const size_t *rows);
";

#[test]
fn a_header_that_is_as_declared_fits() {
    assert_eq!(difference(DECLARATIONS, HEADER), None);
}

#[test]
fn whatever_differs_is_named() {
    let changes = [
        ("const float* input, ", "", "its `xnn_setup_softmax` takes 4 values, not 5"),
        ("const float* input", "float* input", "takes (*mut XnnOperator, *mut c_void, *mut f32,"),
        ("void* workspace, const float* input", "const float* input, void* workspace", "not ("),
        ("uint32_t flags", "size_t flags", "its `xnn_create_softmax` takes (usize,"),
        ("xnn_create_softmax", "xnn_create_softmax_nc", "it has no `xnn_create_softmax`"),
        ("  xnn_binary_add", "  xnn_binary_sub, xnn_binary_add", "`xnn_binary_add` is 1, not 0"),
        ("  xnn_binary_add", "  xnn_binary_plus", "`xnn_binary_add` is missing, not 0"),
    ];
    for (from, to, expected) in changes {
        assert!(HEADER.contains(from), "{from}");
        let difference = difference(DECLARATIONS, &HEADER.replacen(from, to, 1));
        let difference = difference.unwrap_or_else(|| panic!("{from} → {to} passes"));
        assert!(difference.contains(expected), "{from} → {to}: {difference}");
    }
}
