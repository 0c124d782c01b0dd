//! The wattline run bundle: schema, writers and readers.
