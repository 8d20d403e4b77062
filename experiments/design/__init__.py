"""What shall be computed: scenarios, experiment files, designs and the plan of their runs."""
