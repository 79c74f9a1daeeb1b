// Smoke test: is this the accelerator, and does it stop a program that is none?
//
// Reads the ID register, starts a program from a memory that answers zeros, and waits for the error
// MAGIC. Prints PASS and ends, or FAIL and stops.
`timescale 1ns/1ps

module smoke;
  localparam BUS_BITS = 64;
  localparam ID = 12'h000, CTRL = 12'h040, STATUS = 12'h044, ERROR_CODE = 12'h060;

  reg aclk = 1'b0;
  reg aresetn = 1'b0;
  reg failed = 1'b0;
  always #5 aclk = ~aclk;

  // AXI4-Lite: one access at a time.
  reg [11:0] address = 12'd0;
  reg [31:0] wdata = 32'd0;
  reg awvalid = 1'b0, wvalid = 1'b0, arvalid = 1'b0;
  wire awready, wready, bvalid, arready, rvalid;
  wire [1:0] bresp, rresp;
  wire [31:0] rdata;

  // AXI4: every read is answered by zeros, a burst at a time.
  wire m_arvalid, m_rready, m_awvalid, m_wvalid;
  wire [7:0] m_arlen;
  reg [8:0] beats = 9'd0;
  wire m_arready = beats == 9'd0;
  wire m_rvalid = beats != 9'd0;
  always @(posedge aclk)
    if (!aresetn) beats <= 9'd0;
    else if (m_arvalid && m_arready) beats <= {1'b0, m_arlen} + 9'd1;
    else if (m_rvalid && m_rready) beats <= beats - 9'd1;

  hwgen dut (
    .aclk(aclk), .aresetn(aresetn),
    .m_axi_arvalid(m_arvalid), .m_axi_arready(m_arready), .m_axi_arlen(m_arlen),
    .m_axi_rvalid(m_rvalid), .m_axi_rready(m_rready), .m_axi_rlast(beats == 9'd1),
    .m_axi_rid(1'b0), .m_axi_rdata({BUS_BITS{1'b0}}), .m_axi_rresp(2'd0),
    .m_axi_awvalid(m_awvalid), .m_axi_awready(1'b0), .m_axi_wvalid(m_wvalid), .m_axi_wready(1'b0),
    .m_axi_bid(1'b0), .m_axi_bresp(2'd0), .m_axi_bvalid(1'b0),
    .s_axi_awaddr(address), .s_axi_awprot(3'd0), .s_axi_awvalid(awvalid), .s_axi_awready(awready),
    .s_axi_wdata(wdata), .s_axi_wstrb(4'hF), .s_axi_wvalid(wvalid), .s_axi_wready(wready),
    .s_axi_bresp(bresp), .s_axi_bvalid(bvalid), .s_axi_bready(1'b1),
    .s_axi_araddr(address), .s_axi_arprot(3'd0), .s_axi_arvalid(arvalid), .s_axi_arready(arready),
    .s_axi_rdata(rdata), .s_axi_rresp(rresp), .s_axi_rvalid(rvalid), .s_axi_rready(1'b1)
  );

  task write(input [11:0] where, input [31:0] what);
    begin
      @(negedge aclk);
      address = where;
      wdata = what;
      awvalid = 1'b1;
      wvalid = 1'b1;
      while (!awready) @(negedge aclk);
      @(negedge aclk);
      awvalid = 1'b0;
      wvalid = 1'b0;
      while (!bvalid) @(negedge aclk);
    end
  endtask

  task check(input [11:0] where, input [31:0] expected);
    begin
      @(negedge aclk);
      address = where;
      arvalid = 1'b1;
      while (!arready) @(negedge aclk);
      @(negedge aclk);
      arvalid = 1'b0;
      while (!rvalid) @(negedge aclk);
      if (rdata !== expected || rresp !== 2'd0) begin
        $display("FAIL: register %h holds %h, not %h", where, rdata, expected);
        $stop;
        failed = 1'b1;
      end
    end
  endtask

  initial begin
    #100000 $display("FAIL: no answer");
    $stop;
  end

  initial begin
    repeat (16) @(negedge aclk);
    aresetn = 1'b1;
    check(ID, 32'h4E475748);
    write(CTRL, 32'd1);
    repeat (2000) @(negedge aclk);
    check(STATUS, 32'd4);
    check(ERROR_CODE, 32'd4);
    if (!failed) $display("PASS");
    $finish;
  end
endmodule
