//! `wattline record`: whom it watches, as whom that runs, and who is told of signals.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::place::{Answer, Place};
use crate::record::{WHY, images, program, record};
use crate::root::is_root;

#[test]
fn the_status_of_the_command_is_ours() {
    if !is_root(WHY) {
        return;
    }
    let place = Place::new();
    program(&place);
    let mark = "--image-mark uprobe:run_image --";
    record(&place, &format!("{mark} ./engine image 1 7")).exited(7).says(&["with status 7"]);
    record(&place, &format!("{mark} ./engine killed 1")).exited(137).says(&["SIGKILL"]);
    assert_eq!(place.bundle("trace").manifest()["complete"], true);
}

#[test]
fn a_signal_reaches_the_command_and_what_was_recorded_stays() {
    if !is_root(WHY) {
        return;
    }
    let place = Place::new();
    program(&place);
    let line = "record --board host --idle 0 --image-mark uprobe:run_image --out trace -- \
                ./engine slowly 100000";
    let mut command = place.command(line);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let spans = place.path("trace/spans.csv");
    while !std::fs::read_to_string(&spans).is_ok_and(|text| text.contains(",image,engine,")) {
        std::thread::sleep(Duration::from_millis(20));
    }
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
    let answer = Answer::new(line, child.wait_with_output().unwrap()).exited(130);
    answer.says(&["SIGINT"]);
    assert!(images(&place) > 0);
    assert_eq!(place.bundle("trace").manifest()["interrupted"], true);
}

#[test]
fn a_running_process_is_left_alone_afterwards() {
    if !is_root(WHY) {
        return;
    }
    let place = Place::new();
    program(&place);
    let mut process =
        Command::new(place.path("engine")).args(["slowly", "100000"]).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let pid = process.id();
    let attach = format!("--image-mark uprobe:run_image --duration 0.5 --pid {pid}");
    record(&place, &attach).succeeded();
    assert!(images(&place) > 3);
    assert!(process.try_wait().unwrap().is_none(), "it runs on");
    process.kill().unwrap();
    process.wait().unwrap();
    record(&place, &attach).refused(&[&format!("process {pid} does not exist")]);
}

#[test]
fn children_are_watched_on_request() {
    if !is_root(WHY) {
        return;
    }
    let place = Place::new();
    program(&place);
    let line = "--image-mark uprobe:run_image --duration 0.5";
    record(&place, &format!("{line} -- ./engine forks 4")).succeeded();
    assert_eq!(images(&place), 0);
    record(&place, &format!("{line} --follow-children -- ./engine forks 4")).succeeded();
    assert_eq!(images(&place), 4);
}

/// Neither the child nor its parent is there any more when its marks are drained.
#[test]
fn children_of_children_that_ended_are_not_missed() {
    if !is_root(WHY) {
        return;
    }
    let place = Place::new();
    program(&place);
    let line = "--image-mark uprobe:run_image --follow-children";
    record(&place, &format!("{line} -- ./engine grandchildren 200")).succeeded();
    assert_eq!(images(&place), 200);
}

#[test]
fn recording_ends_with_the_last_that_is_followed() {
    if !is_root(WHY) {
        return;
    }
    let place = Place::new();
    program(&place);
    let line = "--image-mark uprobe:run_image --follow-children";
    record(&place, &format!("{line} -- ./engine outlived 3 7")).exited(7);
    assert_eq!(images(&place), 3);
}

/// A stranger that runs the same program meanwhile is not followed.
#[test]
fn strangers_are_not_followed() {
    if !is_root(WHY) {
        return;
    }
    let place = Place::new();
    program(&place);
    let mut stranger =
        Command::new(place.path("engine")).args(["slowly", "100000"]).spawn().unwrap();
    let line = "--image-mark uprobe:run_image --follow-children";
    record(&place, &format!("{line} -- ./engine slowly 10")).succeeded();
    stranger.kill().unwrap();
    stranger.wait().unwrap();
    assert_eq!(images(&place), 10);
}

#[test]
fn a_process_that_ends_ends_the_recording() {
    if !is_root(WHY) {
        return;
    }
    let place = Place::new();
    program(&place);
    let mut process = Command::new(place.path("engine")).args(["slowly", "100"]).spawn().unwrap();
    let attach = |pid: u32| format!("--image-mark uprobe:run_image --pid {pid}");
    record(&place, &attach(process.id())).succeeded();
    assert_eq!(place.bundle("trace").manifest()["complete"], true);
    process.wait().unwrap();

    // It has ended, and nobody has asked how.
    let mut ended = Command::new(place.path("engine")).arg("image").spawn().unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let answer = record(&place, &attach(ended.id())).exited(1);
    answer.says(&[&format!("{}", ended.id())]);
    ended.wait().unwrap();
}

/// Root watches, and the user behind sudo is watched.
#[test]
fn the_command_belongs_to_the_user_behind_sudo() {
    if !is_root(WHY) {
        return;
    }
    const USER: u32 = 65534;
    let place = Place::new();
    program(&place);
    let readable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(place.path(""), readable).unwrap();
    let line = "record --board host --out trace --idle 0.05 --image-mark uprobe:run_image -- \
                ./engine who 1";
    let mut command = place.command(line);
    command.env("SUDO_UID", USER.to_string()).env("SUDO_GID", USER.to_string());
    let answer = Answer::new(line, command.output().unwrap()).succeeded();
    answer.prints(&["65534 65534"]);
    for file in std::fs::read_dir(place.path("trace")).unwrap() {
        let file = file.unwrap();
        let owner = file.metadata().unwrap();
        assert_eq!((owner.uid(), owner.gid()), (USER, USER), "{:?}", file.file_name());
    }
}

/// A recording of a program that answers Ctrl-C in its own way, once it runs.
fn recording_of(place: &Place, what: &str) -> Child {
    let line = format!(
        "record --board host --idle 0 --image-mark uprobe:run_image --out trace -- \
         ./engine {what} 100000"
    );
    let mut command = place.command(&line);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for(|| {
        let spans = std::fs::read_to_string(place.path("trace/spans.csv"));
        spans.is_ok_and(|text| text.contains(",image,engine,"))
    });
    child
}

fn wait_for(mut come: impl FnMut() -> bool) {
    while !come() {
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn interrupt(child: &Child) {
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
}

#[test]
fn how_the_command_answers_ctrl_c_is_our_status() {
    if !is_root(WHY) {
        return;
    }
    let place = Place::new();
    program(&place);
    let child = recording_of(&place, "answers");
    interrupt(&child);
    Answer::new("record", child.wait_with_output().unwrap()).exited(42);
    assert_eq!(place.bundle("trace").manifest()["interrupted"], true);
}

#[test]
fn the_second_ctrl_c_ends_us_at_once() {
    if !is_root(WHY) {
        return;
    }
    let place = Place::new();
    program(&place);
    let child = recording_of(&place, "stubborn");
    interrupt(&child);
    wait_for(|| place.path("noticed").exists());
    interrupt(&child);
    // The command notices that we are gone, and ends.
    Answer::new("record", child.wait_with_output().unwrap()).exited(130);
}
