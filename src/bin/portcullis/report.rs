//! What a command has to say.

/// What a command has done.
#[derive(Default)]
pub(crate) struct Report {
    /// For standard output.
    pub(crate) output: String,
    /// For standard error, a line each. Nothing secret.
    pub(crate) notes: Vec<String>,
}

/// Why a command has done nothing: everything that is wrong, a line each. Nothing secret.
pub(crate) struct Failure(pub(crate) Vec<String>);

impl From<String> for Failure {
    fn from(line: String) -> Self {
        Self(vec![line])
    }
}
