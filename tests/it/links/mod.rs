//! Links as they are in the field: what breaks, changes or stalls on the way loses nothing, and many nodes that meet over all
//! kinds of links come to one commit.

mod carriers;
mod faults;
mod files;
mod meeting;
