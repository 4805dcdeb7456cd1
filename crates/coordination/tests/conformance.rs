//! Every backend of this crate under the conformance suite.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which may fail as tests do")]

use std::sync::Arc;

use async_trait::async_trait;
use coordination::conformance::Fixture;
use coordination::{Coordinator, FileCoordinator, LocalCoordinator};

struct Local(LocalCoordinator);

#[async_trait]
impl Fixture for Local {
    async fn open(&self) -> Arc<dyn Coordinator> {
        Arc::new(self.0.clone())
    }
}

struct InFolder(tempfile::TempDir);

#[async_trait]
impl Fixture for InFolder {
    async fn open(&self) -> Arc<dyn Coordinator> {
        Arc::new(FileCoordinator::new(self.0.path().join("coordination")))
    }
}

fn local() -> Box<dyn Fixture> {
    Box::new(Local(LocalCoordinator::new()))
}

fn file() -> Box<dyn Fixture> {
    Box::new(InFolder(tempfile::tempdir().unwrap()))
}

coordination::conformance!(local);
coordination::conformance!(file);
