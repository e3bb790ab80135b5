"""Models and reviews: where they come from, how they are downloaded, read and checked."""
