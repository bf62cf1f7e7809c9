//! What operators write: the plugin's configuration.
