//! The npm package in a real browser.

use crate::shell::Result;
use crate::test::{Done, World};
use crate::{setup, web};

/// Built, weighed, and packed with all that it needs.
pub(super) fn browser_package(world: &World<'_>) -> Result<Done> {
    let toolchain = world.browser_target()?;
    web::build(world.repo, &toolchain, world.consent)?;
    match setup::WebTools::ready(world.repo, world.consent) {
        Ok(tools) => web::weigh(world.repo, &tools).map(Done::Noted),
        Err(reason) => Ok(Done::Noted(format!("not weighed: {reason}"))),
    }
}

pub(super) fn browser_types(world: &World<'_>) -> Result<Done> {
    let tools = match setup::WebTools::ready(world.repo, world.consent) {
        Ok(tools) => tools,
        Err(reason) => return Ok(Done::Skipped(reason.to_string())),
    };
    web::check_types(world.repo, &tools)?;
    Ok(Done::Passed)
}

/// Skipped where no browser can be had; throw-away machines can have one.
pub(super) fn browser(world: &World<'_>) -> Result<Done> {
    let chromium = match setup::Browser::ready(world.consent) {
        Ok(chromium) => chromium,
        Err(reason) => return Ok(Done::Skipped(reason.to_string())),
    };
    let tools = match setup::WebTools::ready(world.repo, world.consent) {
        Ok(tools) => tools,
        Err(reason) => return Ok(Done::Skipped(reason.to_string())),
    };
    web::test(world.repo, &world.browser_target()?, &tools, &chromium)?;
    Ok(Done::Noted(chromium.about()))
}
