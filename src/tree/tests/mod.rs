//! Tests of the room as a whole, on objects in memory, against a slow model that shares no code with it.

mod among;
mod compare;
mod cost;
mod damage;
mod deep;
mod listing;
mod model;
mod names;
mod properties;
mod raw;
mod regrouped;
mod scan;
mod sizes;
mod state;
mod three;
mod vectors;
