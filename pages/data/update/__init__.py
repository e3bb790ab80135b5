"""The Update page: one PPO update, stage by stage."""
