//! Under sudo, what a command leaves belongs to the user behind it.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use crate::place::Place;
use crate::root;

const USER: u32 = 1234;

fn owners(directory: &Path) -> Vec<(String, u32, u32)> {
    let entries = std::fs::read_dir(directory).unwrap();
    let owner = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.unwrap();
        let metadata = entry.metadata().unwrap();
        (entry.file_name().into_string().unwrap(), metadata.uid(), metadata.gid())
    };
    entries.map(owner).collect()
}

#[test]
fn files_belong_to_the_user_behind_sudo() {
    if !root::is_root("gives files away") {
        return;
    }
    let place = Place::new();
    let home = place.path("home");
    std::fs::create_dir(&home).unwrap();
    std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o755)).unwrap();
    chown(&home, Some(USER), Some(USER)).unwrap();
    let as_sudo = |line: &str| {
        let mut command = place.command(line);
        command.env("SUDO_UID", USER.to_string()).env("SUDO_GID", USER.to_string());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{line}: {output:?}");
    };
    // On the wall clock, which drops privileges in mid-way like any real run.
    as_sudo(
        "run --board emulated:kirin970 --network squeezenet --on npu --images 5 --idle 0.1 \
         --out home/new/trace",
    );
    as_sudo("analyze home/new/trace --out home/new/results");
    as_sudo("network export squeezenet --out home/new/squeezenet.onnx");
    for (directory, files) in
        [("home", 1), ("home/new", 3), ("home/new/trace", 9), ("home/new/results", 8)]
    {
        let owners = owners(&place.path(directory));
        assert_eq!(owners.len(), files, "{directory}: {owners:?}");
        assert!(owners.iter().all(|it| (it.1, it.2) == (USER, USER)), "{directory}: {owners:?}");
    }
}
