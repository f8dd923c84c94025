//! The way to another database: from what a user writes to a transport, or to a bundle.

use std::ffi::OsString;
use std::process::Command;
use std::sync::Arc;

use anyhow::Result;
use isodb::{BundleFile, Location, OsDisk, Service, Source, SshOptions, Transport};

use crate::context::Context;
use crate::error::Failure;
use crate::scripts::Worker;

/// Which programs stand for a remote's services, as words for a shell; by default isodb itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Programs {
    pub(crate) upload: Option<String>,
    pub(crate) receive: Option<String>,
}

impl Programs {
    fn of(&self, service: Service) -> Option<&str> {
        match service {
            Service::UploadPack => self.upload.as_deref(),
            Service::ReceivePack => self.receive.as_deref(),
        }
    }
}

/// The bundle that a location is, if it is one: a file where else a directory would be.
pub(crate) fn bundle(context: &Context, location: &Location) -> Option<BundleFile> {
    let Location::Path(path) = location else { return None };
    let path = context.path(path);
    path.is_file().then(|| BundleFile::new(Arc::new(OsDisk::new()), &path))
}

/// Makes what a location is fetched from: the transport that leads there, or a bundle.
pub(crate) fn source(context: &Context, location: &Location, programs: &Programs) -> Result<Box<dyn Source>> {
    match bundle(context, location) {
        Some(bundle) => Ok(Box::new(bundle)),
        None => Ok(Box::new(transport(context, location, programs)?)),
    }
}

/// Makes the transport that leads to a location. Nothing is connected yet.
pub(crate) fn transport(context: &Context, location: &Location, programs: &Programs) -> Result<Box<dyn Transport>> {
    let programs = programs.clone();
    if let Some(bundle) = bundle(context, location) {
        return Err(Failure::usage(format!("{} is a file, which can be fetched from alone", bundle.path().display()))
            .hint("`isodb bundle create` writes one that goes back")
            .into());
    }
    match location.clone() {
        Location::Path(path) if programs.upload.is_none() && programs.receive.is_none() => {
            let db = context.database_at(&path)?;
            let who = context.mover(&db)?;
            Ok(Box::new(isodb::to_database(Arc::new(db), who, Worker::new)))
        }
        Location::Path(path) => {
            let (path, idle) = (context.path(&path), context.link_timeout()?);
            let start = move |service| {
                let program = programs.of(service).map_or_else(|| format!("git-{}", service.name()), str::to_owned);
                // The path is an argument of the shell's, and so never a part of the program's text.
                let mut command = Command::new("sh");
                command.arg("-c").arg(format!("{program} \"$1\"")).arg(service.name()).arg(&path);
                command
            };
            Ok(Box::new(isodb::by_command(start, idle)))
        }
        location @ Location::Ssh { .. } => {
            let (ssh, idle) = (context.ssh()?, context.link_timeout()?);
            let start = move |service| {
                let program = programs.of(service).map_or_else(|| format!("isodb {}", service.name()), str::to_owned);
                let options = SshOptions { ssh: ssh.clone(), program };
                let line: Vec<OsString> = location.ssh_command(&options).unwrap_or_default();
                let (program, arguments) = line.split_first().expect("a location of ssh has a command");
                let mut command = Command::new(program);
                command.args(arguments);
                command
            };
            Ok(Box::new(isodb::by_command(start, idle)))
        }
        Location::Git { host, port, path } => {
            Ok(Box::new(isodb::by_daemon(&host, port, &path, context.link_timeout()?)))
        }
        Location::Http(address) => Ok(Box::new(isodb::by_http(&address, &context.http(&address)?)?)),
    }
}
