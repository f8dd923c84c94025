//! An ssh that leads nowhere: it reads its arguments as OpenSSH does, and runs the command on this machine.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::Sandbox;

/// It knows one machine.
const SSH: &str = "#!/bin/sh
while :; do
  case $1 in
    -o | -p) shift 2 ;;
    --) shift; break ;;
    -*) echo \"ssh: unknown option $1\" >&2; exit 255 ;;
    *) break ;;
  esac
done
[ \"$1\" = ann@barn ] || { echo \"ssh: no route to $1\" >&2; exit 255; }
shift
";

/// Lets a command reach the machine `ann@barn`, where `run` is what a shell does with the words that are to run there.
pub fn install_as(sandbox: &Sandbox, run: &str) {
    let ssh = sandbox.write("ssh", format!("{SSH}{run}\n"));
    std::fs::set_permissions(&ssh, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Makes the machine `ann@barn`, which is this one.
pub fn install(sandbox: &Sandbox) {
    install_as(sandbox, "exec sh -c \"$*\"");
}

/// Lets a command of the sandbox find that machine.
pub fn show(sandbox: &Sandbox, command: &mut Command) {
    command.env("GIT_SSH_COMMAND", sandbox.path().join("ssh")).env("GIT_SSH_VARIANT", "ssh");
}

/// Where a file of the sandbox is, as seen from elsewhere.
pub fn url(sandbox: &Sandbox, name: &str) -> String {
    format!("ann@barn:{}/{name}", sandbox.path().display())
}
