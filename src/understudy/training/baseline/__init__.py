"""The linear model that every student is compared with."""
