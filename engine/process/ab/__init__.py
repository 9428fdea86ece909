"""One AB: its inputs, hooks, recipe, judgement and delivery."""
