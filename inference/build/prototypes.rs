//! Compares declarations of ours, in Rust, with the prototypes of a C header.
//!
//! A function that is declared otherwise than its library has it is undefined behaviour, and
//! XNNPACK changes its functions between releases without changing their names. So each function
//! is compared, type by type.

use std::collections::HashMap;

/// Why `header` is not what `declarations` are of: the first function that differs. `declarations`
/// holds functions that answer with `enum xnn_status` as `name(parameter: type, …);`, and constants
/// `/// \`enumerator\` of \`enum name\`.` followed by their value; `None` when all are as declared.
pub(crate) fn difference(declarations: &str, header: &str) -> Option<String> {
    let header = without_comments(header);
    let prototypes = prototypes(&header);
    for (name, declared) in functions(declarations) {
        match prototypes.get(name.as_str()) {
            None => return Some(format!("it has no `{name}`")),
            Some(actual) if actual.len() != declared.len() => {
                let (actual, declared) = (actual.len(), declared.len());
                return Some(format!("its `{name}` takes {actual} values, not {declared}"));
            }
            Some(actual) if *actual != declared => {
                let (actual, declared) = (actual.join(", "), declared.join(", "));
                return Some(format!("its `{name}` takes ({actual}), not ({declared})"));
            }
            Some(_) => {}
        }
    }
    for (name, enumeration, declared) in constants(declarations) {
        let actual = enumerator(&header, &enumeration, &name);
        if actual != Some(declared) {
            let actual = actual.map_or("missing".to_owned(), |value| value.to_string());
            return Some(format!("its `{name}` is {actual}, not {declared}"));
        }
    }
    None
}

/// Functions declared as `xnn_name(parameter: type, …);`, with their types.
fn functions(declarations: &str) -> Vec<(String, Vec<String>)> {
    let code: Vec<_> =
        declarations.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join(" ");
    let mut functions = Vec::new();
    for declaration in code.split(';') {
        let Some((before, parameters)) = declaration.split_once('(') else { continue };
        let name = before.split_whitespace().last().unwrap_or_default();
        let Some((parameters, _)) = parameters.rsplit_once(')') else { continue };
        if name.starts_with("xnn_") {
            let types = parameters.split(',').filter_map(|it| it.split_once(':'));
            let types = types.map(|(_, of_type)| of_type.trim().to_owned()).collect();
            functions.push((name.to_owned(), types));
        }
    }
    functions
}

/// Constants declared below a line that names an enumerator and its enumeration, and their values.
fn constants(declarations: &str) -> Vec<(String, String, i64)> {
    let lines: Vec<_> = declarations.lines().map(str::trim).collect();
    let constant = |pair: &[&str]| {
        let mut names = pair[0].strip_prefix("/// `")?.split('`');
        let (name, _, enumeration) = (names.next()?, names.next()?, names.next()?);
        let value = pair[1].rsplit_once("= ")?.1.strip_suffix(';')?.parse().ok()?;
        Some((name.to_owned(), enumeration.strip_prefix("enum ")?.to_owned(), value))
    };
    lines.windows(2).filter_map(constant).collect()
}

/// The functions of a header that answer with a status, and their parameters' types as Rust has
/// them.
fn prototypes(header: &str) -> HashMap<&str, Vec<String>> {
    let mut prototypes = HashMap::new();
    for prototype in header.split("enum xnn_status").skip(1) {
        let Some((name, rest)) = prototype.split_once('(') else { continue };
        let Some((parameters, _)) = rest.split_once(')') else { continue };
        prototypes.insert(name.trim(), parameters.split(',').map(rust_type).collect());
    }
    prototypes
}

/// `const float* input` → `*const f32`.
fn rust_type(parameter: &str) -> String {
    let spaced = parameter.replace('*', " * ");
    let words: Vec<_> = spaced.split_whitespace().collect();
    let is_const = words.first() == Some(&"const");
    let pointers = words.iter().filter(|word| **word == "*").count();
    let names: Vec<_> =
        words.iter().copied().filter(|word| !["const", "*"].contains(word)).collect();
    let (base, opaque) = match names[..] {
        ["enum", ..] => ("c_int", false),
        ["struct", "xnn_quantization_params", ..] => ("QuantizationParams", false),
        ["union", "xnn_unary_params", ..] => ("UnaryParams", false),
        ["uint32_t", ..] => ("u32", false),
        ["int32_t", ..] => ("i32", false),
        ["int8_t", ..] => ("i8", false),
        ["size_t", ..] => ("usize", false),
        ["float", ..] => ("f32", false),
        ["void", ..] | ["struct", "xnn_allocator", ..] => ("c_void", false),
        ["xnn_operator_t", ..] => ("XnnOperator", true),
        ["pthreadpool_t", ..] => ("PThreadPool", true),
        ["xnn_code_cache_t", ..] => ("CodeCache", false),
        ["xnn_weights_cache_t", ..] => ("WeightsCache", false),
        [other, ..] => (other, false),
        [] => ("", false),
    };
    let pointer = if is_const { "*const " } else { "*mut " };
    pointer.repeat(pointers + usize::from(opaque)) + base
}

/// The value of an enumerator.
fn enumerator(header: &str, enumeration: &str, name: &str) -> Option<i64> {
    let start = format!("enum {enumeration} {{");
    let (body, _) = header.split_once(&start)?.1.split_once('}')?;
    let mut next = 0;
    for item in body.split(',') {
        let (item, value) = match item.split_once('=') {
            Some((item, value)) => (item, value.trim().parse().ok()?),
            None => (item, next),
        };
        if item.trim() == name {
            return Some(value);
        }
        next = value + 1;
    }
    None
}

/// A header without what stands behind `//`, which is how XNNPACK comments.
fn without_comments(header: &str) -> String {
    let lines = header.lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}
