"""How the background template is made: mass models, generators that are drawn from, reweighting of what they draw."""
