"""Models and reviews: locating, downloading, reading and checking them."""
