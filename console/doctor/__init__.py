"""`dfos doctor`: what an account needs, looked at in one go."""
