"""The sidebar: buttons, settings, branching."""
