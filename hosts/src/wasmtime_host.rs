//! wasmtime, with what a core module and WASI preview 1 need of it and nothing more.

use crate::{Output, Preopen, STATUS_TRAPPED};
use std::ops::ControlFlow;
use wasmtime::{CallHook, Engine, Error, InstancePre, Linker, Module, Result, Store};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::p2::pipe::{MemoryInputPipe, MemoryOutputPipe};
use wasmtime_wasi::{FsPerms, I32Exit, WasiCtxBuilder};

/// Most bytes a guest may print into a captured stream.
const CAPTURE_BYTES_MAX: usize = 1 << 30;

/// Where a run stands. The number is that of the guest's call to its host, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The guest has called, and nothing was done yet.
    Before(usize),
    /// The host has done it, and the guest has not heard of it yet.
    After(usize),
}

impl Moment {
    /// What is found in the standard error of a guest that was stopped at this moment.
    pub fn words(self) -> String {
        match self {
            Self::Before(call) => format!("call {call}: stopped before it"),
            Self::After(call) => format!("call {call}: stopped after it"),
        }
    }
}

/// Runs a module once and captures what it prints. `args` begin with the program's name.
///
/// Errors if the module is none, or a directory cannot be opened. A guest that traps is an
/// [`Output`] like any other.
pub fn run_wasi(
    module: &[u8],
    args: &[&str],
    env: &[(&str, &str)],
    preopens: &[Preopen],
    stdin: &[u8],
) -> Result<Output> {
    Guest::compile(module)?.run(args, env, preopens, stdin)
}

/// A compiled module, to be run many times.
pub struct Guest {
    engine: Engine,
    ready: InstancePre<WasiP1Ctx>,
}

impl Guest {
    /// Compiles a module, in its binary form. Costs seconds where this crate is not optimised.
    pub fn compile(module: &[u8]) -> Result<Self> {
        let engine = Engine::default();
        let module = Module::from_binary(&engine, module)?;
        Self::link(engine, &module)
    }

    /// Compiles a module into bytes for [`Guest::from_precompiled`].
    pub fn precompile(module: &[u8]) -> Result<Vec<u8>> {
        Engine::default().precompile_module(module)
    }

    /// Loads what [`Guest::precompile`] made, in milliseconds. Bytes of another version or for
    /// another machine are an error.
    ///
    /// # Safety
    ///
    /// The bytes are machine code that will be run: they must come from [`Guest::precompile`].
    pub unsafe fn from_precompiled(bytes: &[u8]) -> Result<Self> {
        let engine = Engine::default();
        // SAFETY: the caller vouches that these bytes were made by wasmtime.
        let module = unsafe { Module::deserialize(&engine, bytes) }?;
        Self::link(engine, &module)
    }

    fn link(engine: Engine, module: &Module) -> Result<Self> {
        let mut linker = Linker::new(&engine);
        p1::add_to_linker_sync(&mut linker, |context| context)?;
        let ready = linker.instantiate_pre(module)?;
        Ok(Self { engine, ready })
    }

    /// Runs the guest in a new instance, with these bytes to read, and captures what it prints.
    pub fn run(
        &self,
        args: &[&str],
        env: &[(&str, &str)],
        preopens: &[Preopen],
        stdin: &[u8],
    ) -> Result<Output> {
        self.captured(args, env, preopens, stdin, |_| ())
    }

    /// As [`Guest::run`], and asks at every moment of every call to the host whether to go on. A
    /// guest that is not to go on traps there: it does not see the call return, and no code of it
    /// runs any more. What the host has done by then stays done.
    pub fn run_watched(
        &self,
        args: &[&str],
        env: &[(&str, &str)],
        preopens: &[Preopen],
        stdin: &[u8],
        mut watch: impl FnMut(Moment) -> ControlFlow<()> + Send + Sync + 'static,
    ) -> Result<Output> {
        let mut calls = 0;
        let mut hook = move |hook: CallHook| {
            let moment = match hook {
                CallHook::CallingHost => {
                    calls += 1;
                    Moment::Before(calls)
                }
                CallHook::ReturningFromHost => Moment::After(calls),
                CallHook::CallingWasm | CallHook::ReturningFromWasm => return Ok(()),
            };
            match watch(moment) {
                ControlFlow::Continue(()) => Ok(()),
                ControlFlow::Break(()) => Err(Error::msg(moment.words())),
            }
        };
        self.captured(args, env, preopens, stdin, |store| {
            store.call_hook(move |_, now| hook(now));
        })
    }

    fn captured(
        &self,
        args: &[&str],
        env: &[(&str, &str)],
        preopens: &[Preopen],
        stdin: &[u8],
        prepare: impl FnOnce(&mut Store<WasiP1Ctx>),
    ) -> Result<Output> {
        let stdout = MemoryOutputPipe::new(CAPTURE_BYTES_MAX);
        let stderr = MemoryOutputPipe::new(CAPTURE_BYTES_MAX);
        let mut context = context(args, env, preopens)?;
        context
            .stdin(MemoryInputPipe::new(stdin.to_vec()))
            .stdout(stdout.clone())
            .stderr(stderr.clone());
        let mut store = Store::new(&self.engine, context.build_p1());
        prepare(&mut store);
        let (status, words) = self.start(store)?;
        let mut stderr = stderr.contents().to_vec();
        stderr.extend_from_slice(words.as_bytes());
        Ok(Output {
            status,
            stdout: stdout.contents().to_vec(),
            stderr,
        })
    }

    /// Runs the guest in a new instance on this process's own streams. Returns its exit status.
    pub fn run_on_own_streams(
        &self,
        args: &[&str],
        env: &[(&str, &str)],
        preopens: &[Preopen],
    ) -> Result<i32> {
        let mut context = context(args, env, preopens)?;
        let store = Store::new(&self.engine, context.inherit_stdio().build_p1());
        let (status, words) = self.start(store)?;
        eprint!("{words}");
        Ok(status)
    }

    /// The guest's status, and what the host has to say about it.
    fn start(&self, mut store: Store<WasiP1Ctx>) -> Result<(i32, String)> {
        let instance = self.ready.instantiate(&mut store)?;
        let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
        match start.call(&mut store, ()) {
            Ok(()) => Ok((0, String::new())),
            Err(error) => match error.downcast_ref::<I32Exit>() {
                Some(exit) => Ok((exit.0, String::new())),
                None => Ok((STATUS_TRAPPED, format!("the guest trapped: {error:?}\n"))),
            },
        }
    }
}

fn context(args: &[&str], env: &[(&str, &str)], preopens: &[Preopen]) -> Result<WasiCtxBuilder> {
    let mut context = WasiCtxBuilder::new();
    // Before the directories, which take it over: file calls run on this thread at once, instead
    // of on a pool's thread for tens of microseconds each.
    context.allow_blocking_current_thread(true);
    context.args(args).envs(env);
    for (host, guest) in preopens {
        context
            .preopened_dir(host, guest, FsPerms::ReadWrite)
            .map_err(|cause| cause.context(format!("cannot open {}", host.display())))?;
    }
    Ok(context)
}
