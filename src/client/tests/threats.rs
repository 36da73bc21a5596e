//! What a lying hub or member can try.

use super::*;
