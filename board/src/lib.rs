//! What a board is: descriptions, detection, and the emulated board.
